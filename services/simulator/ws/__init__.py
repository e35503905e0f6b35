"""The WebSocket: commands, channels, sequence numbers, bounded buffers."""
