"""Dashboard *Pipeline*: what flows through each process, how long it takes, and what goes wrong."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.builders.timeseries import Panel

from dashboards.panels import NAMESPACE, WIDTH, board, lines, row

RATE = "$__rate_interval"


def _rates(title: str, description: str, *names: str) -> Panel:
    """Counters of one role, by process, a second."""
    queries = {
        f"{{{{process}}}} {name.split('_', 2)[2].removesuffix('_total').replace('_', ' ')}": (
            f"sum by (process) (rate({name}{{{NAMESPACE}}}[{RATE}]))"
        )
        for name in names
    }
    return lines(title, "reqps", queries, description=description)


def _latency(title: str, name: str, description: str) -> Panel:
    """Median and 99th percentile of a histogram over all processes that have it."""
    rates = f"sum by (le) (rate({name}_bucket{{{NAMESPACE}}}[{RATE}]))"
    queries = {"p50": f"histogram_quantile(0.5, {rates})", "p99": f"histogram_quantile(0.99, {rates})"}
    return lines(title, "s", queries, description=description)


def build() -> Dashboard:
    return (
        board(
            "Touchline / Pipeline", "touchline-pipeline", "From the exchange's frame to the order, process by process."
        )
        .with_row(row("Health"))
        .with_panel(
            lines(
                "Ready",
                "short",
                {"{{process}}": f"touchline_ready{{{NAMESPACE}}}"},
                description="0: the process says why at /readyz and in its report.",
                span=WIDTH,
            )
        )
        .with_row(row("Latency"))
        .with_panel(
            _latency("Frame to bus", "touchline_ingest_publish_seconds", "From a batch's oldest frame to its write.")
        )
        .with_panel(
            _latency("Tick to signal", "touchline_consumer_signal_seconds", "From the tick's receipt to its signal.")
        )
        .with_panel(
            _latency("Tick to intent", "touchline_decision_intent_seconds", "From the tick's receipt to its intent.")
        )
        .with_panel(
            _latency(
                "Tick to order",
                "touchline_executor_tick_to_order_seconds",
                "From the tick's receipt to the order's first byte.",
            )
        )
        .with_panel(_latency("Gate", "touchline_executor_gate_seconds", "One claim in the record."))
        .with_row(row("Flow"))
        .with_panel(_rates("Frames", "Frames of the exchange.", "touchline_ingest_frames_total"))
        .with_panel(
            _rates(
                "Signals",
                "Stream entries in, signals out.",
                "touchline_consumer_entries_total",
                "touchline_consumer_signals_total",
            )
        )
        .with_panel(
            _rates(
                "Orders", "Sent, and their fills.", "touchline_executor_orders_total", "touchline_executor_fills_total"
            )
        )
        .with_panel(
            _rates(
                "Booked", "Fills and settlements.", "touchline_ledger_booked_total", "touchline_ledger_settled_total"
            )
        )
        .with_row(row("Trouble"))
        .with_panel(
            _rates(
                "Feed",
                "Gaps and reconnects end in a fresh snapshot; nothing is traded until it is there.",
                "touchline_ingest_gaps_total",
                "touchline_ingest_reconnects_total",
                "touchline_ingest_bad_frames_total",
                "touchline_ingest_exchange_errors_total",
                "touchline_ingest_failed_writes_total",
            )
        )
        .with_panel(
            _rates(
                "Dead letters",
                "Messages given up after five deliveries.",
                "touchline_consumer_dead_total",
                "touchline_decision_dead_total",
            )
        )
        .with_panel(
            lines(
                "Intents dropped at the gate",
                "reqps",
                {
                    "{{process}} {{rule}}": (
                        f"sum by (process, rule) (rate(touchline_executor_dropped_total{{{NAMESPACE}}}[{RATE}]))"
                    )
                },
            )
        )
        .with_panel(
            _rates(
                "Catalog and sources",
                "Polls and failed polls.",
                "touchline_catalog_polls_total",
                "touchline_catalog_errors_total",
                "touchline_source_polls_total",
                "touchline_source_errors_total",
            )
        )
    )
