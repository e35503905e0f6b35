"""What all dashboards share: data source, variables, and one function per kind of panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, VisibilityMode
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
    VariableSort,
)

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
NAMESPACE: Final = 'namespace="$namespace"'
POLICY: Final = f'{NAMESPACE}, policy=~"$policy"'
USD: Final = "currencyUSD"
WIDTH: Final = 24


def board(title: str, uid: str, description: str) -> dashboard.Dashboard:
    """A dashboard with the variables that every query uses."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["touchline"])
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_query("namespace", "label_values(touchline_ready, namespace)"))
    )


def policies() -> dashboard.QueryVariable:
    """Which accounts are shown."""
    return (
        _query("policy", f"label_values(touchline_ledger_halted{{{NAMESPACE}}}, policy)")
        .multi(multi=True)
        .include_all(include_all=True)
    )


def _query(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def _targets(queries: Mapping[str, str]) -> list[prometheus.Dataquery]:
    return [
        prometheus.Dataquery().ref_id(chr(ord("A") + at)).expr(expr).legend_format(legend)
        for at, (legend, expr) in enumerate(queries.items())
    ]


def lines(
    title: str,
    unit: str,
    queries: Mapping[str, str],
    *,
    description: str = "",
    span: int = WIDTH // 2,
    floor: float | None = 0,
) -> timeseries.Panel:
    """Lines over time; `queries` is legend -> PromQL."""
    legend = common.VizLegendOptions().show_legend(show_legend=True)
    legend.display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .span(span)
        .height(8)
        .line_width(2)
        .fill_opacity(0)
        .show_points(VisibilityMode.NEVER)
        .legend(legend)
        .targets(_targets(queries))
    )
    return panel if floor is None else panel.axis_soft_min(floor)


def figure(
    title: str,
    unit: str,
    expr: str,
    *,
    description: str = "",
    legend: str = "{{policy}}",
    bad_above: float | None = None,
) -> stat.Panel:
    """The present value, large; red from `bad_above` on."""
    steps = [Threshold(color="text", value=None)]
    if bad_above is not None:
        steps = [Threshold(color="green", value=None), Threshold(color="red", value=bad_above)]
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .span(4)
        .height(4)
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .targets([prometheus.Dataquery().ref_id("A").expr(expr).legend_format(legend)])
    )


def row(title: str) -> dashboard.Row:
    return dashboard.Row(title)
