"""Dashboard *Money*: what the account is worth, how far it is from its limits, and whether it is halted."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.panels import POLICY, USD, board, figure, lines, policies, row


def build() -> Dashboard:
    ledger = "touchline_ledger"
    return (
        board("Touchline / Money", "touchline-money", "Equity, profit, distance to the limits, halts: by RiskPolicy.")
        .with_variable(policies())
        .with_row(row("Now"))
        .with_panel(figure("Equity", USD, f"{ledger}_equity_dollars{{{POLICY}}}"))
        .with_panel(
            figure("Today", USD, f"{ledger}_equity_dollars{{{POLICY}}} - {ledger}_day_start_dollars{{{POLICY}}}")
        )
        .with_panel(
            figure(
                "Drawdown of its limit",
                "percentunit",
                f"{ledger}_drawdown_ratio{{{POLICY}}} / {ledger}_max_drawdown_ratio{{{POLICY}}}",
                description="At 100 % the account halts.",
                bad_above=0.8,
            )
        )
        .with_panel(figure("Exposure", USD, f"{ledger}_exposure_dollars{{{POLICY}}}"))
        .with_panel(figure("Halted", "short", f"{ledger}_halted{{{POLICY}}}", bad_above=1))
        .with_panel(
            figure(
                "Halted, not confirmed",
                "short",
                f"{ledger}_halted{{{POLICY}}} > bool {ledger}_halt_confirmed{{{POLICY}}}",
                description="1: orders may still rest.",
                bad_above=1,
            )
        )
        .with_row(row("Account"))
        .with_panel(
            lines(
                "Equity, peak, cash",
                USD,
                {
                    "{{policy}} equity": f"{ledger}_equity_dollars{{{POLICY}}}",
                    "{{policy}} peak": f"{ledger}_peak_dollars{{{POLICY}}}",
                    "{{policy}} cash": f"{ledger}_cash_dollars{{{POLICY}}}",
                    "{{policy}} at the start": f"{ledger}_started_dollars{{{POLICY}}}",
                },
                floor=None,
            )
        )
        .with_panel(
            lines(
                "Profit",
                USD,
                {
                    "{{policy}} realized": f"{ledger}_realized_dollars{{{POLICY}}}",
                    "{{policy}} unrealized": f"{ledger}_unrealized_dollars{{{POLICY}}}",
                    "{{policy}} fees": f"{ledger}_fees_dollars{{{POLICY}}}",
                },
            )
        )
        .with_row(row("Limits"))
        .with_panel(
            lines(
                "Drawdown",
                "percentunit",
                {
                    "{{policy}}": f"{ledger}_drawdown_ratio{{{POLICY}}}",
                    "{{policy}} limit": f"{ledger}_max_drawdown_ratio{{{POLICY}}}",
                },
            )
        )
        .with_panel(
            lines(
                "Daily loss",
                "percentunit",
                {
                    "{{policy}}": f"{ledger}_daily_loss_ratio{{{POLICY}}}",
                    "{{policy}} limit": f"{ledger}_max_daily_loss_ratio{{{POLICY}}}",
                },
            )
        )
        .with_row(row("Trust"))
        .with_panel(
            lines(
                "Latched causes",
                "short",
                {"{{policy}} {{source}}": f"{ledger}_cause{{{POLICY}}}"},
                description="While any is latched no order is sent and no stop loss runs.",
            )
        )
        .with_panel(
            lines(
                "Orders and marks",
                "short",
                {
                    "{{policy}} resting": f"{ledger}_resting_orders{{{POLICY}}}",
                    "{{policy}} not ours": f"{ledger}_unmanaged_orders{{{POLICY}}}",
                    "{{policy}} markets without a mark": f"{ledger}_blind_markets{{{POLICY}}}",
                },
            )
        )
        .with_panel(lines("Books agree with the exchange", "short", {"{{policy}}": f"{ledger}_reconciled{{{POLICY}}}"}))
        .with_panel(
            lines(
                "Age of the account",
                "s",
                {"{{policy}}": f"time() - {ledger}_risk_written_timestamp_seconds{{{POLICY}}}"},
                description="Written every second; from staleAfterSeconds on nothing is traded.",
            )
        )
    )
