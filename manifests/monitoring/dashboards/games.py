"""Dashboard *Games*: prices and positions by market, and what is decided about them."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.panels import NAMESPACE, POLICY, USD, WIDTH, board, lines, policies, row

RATE = "$__rate_interval"


def build() -> Dashboard:
    ledger = "touchline_ledger"
    return (
        board("Touchline / Games", "touchline-games", "Prices, positions and decisions by market and strategy.")
        .with_variable(policies())
        .with_row(row("Markets"))
        .with_panel(
            lines(
                "Prices",
                USD,
                {
                    "{{market}} bid": f"max by (market) ({ledger}_market_bid_dollars{{{POLICY}}})",
                    "{{market}} ask": f"max by (market) ({ledger}_market_ask_dollars{{{POLICY}}})",
                },
                description="Best prices of YES, from books that are valid now.",
                span=WIDTH,
            )
        )
        .with_panel(
            lines(
                "Positions",
                "short",
                {"{{market}} {{owner}}": f"{ledger}_position_contracts{{{POLICY}}}"},
                description="Contracts: above zero YES, below zero NO.",
                floor=None,
            )
        )
        .with_panel(
            lines(
                "Profit of open positions",
                USD,
                {
                    "{{market}} {{owner}}": (
                        f"{ledger}_position_mark_dollars{{{POLICY}}} - {ledger}_position_cost_dollars{{{POLICY}}}"
                    )
                },
                floor=None,
            )
        )
        .with_panel(
            lines(
                "Silence of each market's feed",
                "s",
                {"{{market}}": f"time() - max by (market) ({ledger}_market_alive_timestamp_seconds{{{POLICY}}})"},
            )
        )
        .with_panel(
            lines(
                "States of the game",
                "reqps",
                {"{{process}}": f"rate(touchline_source_states_total{{{NAMESPACE}}}[{RATE}])"},
            )
        )
        .with_row(row("Decisions"))
        .with_panel(
            lines(
                "Decisions and intents",
                "reqps",
                {
                    "{{strategy}} decisions": (
                        f"sum by (strategy) (rate(touchline_decision_decisions_total{{{NAMESPACE}}}[{RATE}]))"
                    ),
                    "{{strategy}} intents": (
                        f"sum by (strategy) (rate(touchline_decision_intents_total{{{NAMESPACE}}}[{RATE}]))"
                    ),
                },
            )
        )
        .with_panel(
            lines(
                "Why not",
                "reqps",
                {
                    "{{strategy}} {{rule}}": (
                        f"sum by (strategy, rule) (rate(touchline_decision_refusals_total{{{NAMESPACE}}}[{RATE}]))"
                    )
                },
                description="Refusals by the rule that refused.",
            )
        )
    )
