"""Every call of the exchange: those that are served, in the order in which paths are tried, and the others."""

from services.simulator.rest import (
    account,
    exchange,
    groups,
    market_data,
    orders,
    portfolio,
    public,
    sports,
    subaccounts,
)
from services.simulator.rest.call import Call, Reply, Route

PREFIX = "/trade-api/v2"


def _endpoint_costs(_: Call) -> Reply:
    return Reply(account.endpoint_costs(ROUTES, PREFIX))


ROUTES: list[Route] = [
    *exchange.ROUTES,
    *public.ROUTES,
    *market_data.ROUTES,
    *public.LAST,
    *sports.ROUTES,
    *portfolio.ROUTES,
    *subaccounts.ROUTES,
    *orders.ROUTES,
    *groups.ROUTES,
    *account.ROUTES,
    Route("GET", "/account/endpoint_costs", "GetAccountEndpointCosts", _endpoint_costs),
]

_RFQ = "/communications/rfqs/{rfq_id}"
_QUOTE = "/communications/quotes/{quote_id}"
_BLOCK = "/communications/block-trade-proposals"
_CAP = "/fcm/subtraders/event_contract_daily_cap"
_BLOCKED = "/fcm/subtraders/blocked_categories"
UNSERVED: list[tuple[str, str]] = [
    ("GET", "/series/{series_ticker}/events/{ticker}/forecast_percentile_history"),
    ("POST", "/multivariate_event_collections/{collection_ticker}"),
    ("GET", "/live_data/weather/{city}"),
    ("GET", "/live_data/weather/{city}/calibrations"),
    ("POST", "/portfolio/intra_exchange_instance_transfer"),
    ("GET", "/portfolio/intra_exchange_instance_transfers"),
    ("GET", "/portfolio/intra_exchange_instance_transfers/{transfer_id}"),
    ("GET", "/portfolio/target_balance_allocation"),
    ("POST", "/portfolio/target_balance_allocation"),
    ("GET", "/communications/id"),
    ("GET", "/communications/rfqs"),
    ("POST", "/communications/rfqs"),
    ("GET", _RFQ),
    ("DELETE", _RFQ),
    ("GET", f"{_RFQ}/quotes/{{quote_id}}"),
    ("DELETE", f"{_RFQ}/quotes/{{quote_id}}"),
    ("PUT", f"{_RFQ}/quotes/{{quote_id}}/accept"),
    ("PUT", f"{_RFQ}/quotes/{{quote_id}}/confirm"),
    ("GET", "/communications/quotes"),
    ("POST", "/communications/quotes"),
    ("GET", _QUOTE),
    ("DELETE", _QUOTE),
    ("PUT", f"{_QUOTE}/accept"),
    ("PUT", f"{_QUOTE}/confirm"),
    ("GET", _BLOCK),
    ("POST", _BLOCK),
    ("POST", f"{_BLOCK}/{{block_trade_proposal_id}}/accept"),
    ("GET", "/fcm/fills"),
    ("GET", "/fcm/orders"),
    ("GET", "/fcm/positions"),
    ("POST", "/fcm/positions/transfers"),
    ("GET", "/fcm/subtraders"),
    ("POST", "/fcm/subtraders"),
    ("GET", _CAP),
    ("PUT", _CAP),
    ("DELETE", _CAP),
    ("GET", _BLOCKED),
    ("PUT", _BLOCKED),
]
"""Calls of the exchange that answer 501: combos, RFQs, clearing firms, other shards, weather."""
