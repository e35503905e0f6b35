"""Which plug-ins there are."""

from __future__ import annotations

from collections.abc import Mapping

from services.sources import kalshi_live_data
from services.sources.ports import SourceFactory

PLUGINS: Mapping[str, SourceFactory] = {"kalshi-live-data": kalshi_live_data.create}
