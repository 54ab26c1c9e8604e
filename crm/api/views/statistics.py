"""What became of a campaign: its funnel, in all and by batch, guide, store and variant, and its links."""

from typing import Any, ClassVar, cast

from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import Campaign
from campaigns.tracking import queries
from campaigns.tracking.queries import FunnelOf
from campaigns.tracking.tallies import Dimension
from crm.access import campaign_for
from crm.api.base import ApiView, Reading, StrictFilters
from crm.api.pages import FigurePages
from crm.api.shapes.statistics import FunnelOfShape, LinksShape, StatisticsShape


class Statistics(Reading):
    """Read how far the recipients of a campaign got, people and machines apart."""

    resource = "campaigns"
    shape = StatisticsShape

    def row(self, pk: int) -> dict[str, Any]:
        """Return the figures."""
        campaign = campaign_for(self.viewer, pk)
        return {
            "counted_at": queries.counted_at(campaign),
            "funnel": queries.funnel(campaign),
            "hours": queries.hours(campaign),
        }


class StatisticsBy(ApiView):
    """Read the same for each part of the recipients, page by page."""

    resource = "campaigns"
    shape = FunnelOfShape
    pagination_class = FigurePages
    dimension: ClassVar[Dimension]

    def rows(self, campaign: Campaign) -> list[FunnelOf]:
        """Return the figures."""
        return queries.funnels_by(campaign, self.dimension)

    def get(self, request: Request, pk: int) -> Response:
        """List."""
        campaign = campaign_for(self.viewer, pk)
        pages = cast("FigurePages", self.paginator)
        pages.counted_at = queries.counted_at(campaign)
        rows = StrictFilters().filter_queryset(request, self.rows(campaign), self)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.show(page, many=True))


class StatisticsByBatch(StatisticsBy):
    """Read how far recipients got, batch by batch."""

    dimension = Dimension.BATCH


class StatisticsByGuide(StatisticsBy):
    """Read how far recipients got, guide by guide: who sent it, or answers for the customer."""

    dimension = Dimension.GUIDE


class StatisticsByStore(StatisticsBy):
    """Read how far recipients got, store by store."""

    dimension = Dimension.STORE


class StatisticsByVariant(StatisticsBy):
    """Read how far recipients got, wording by wording."""

    dimension = Dimension.VARIANT


class Links(Reading):
    """Read how often the links of a campaign were followed."""

    resource = "campaigns"
    shape = LinksShape

    def row(self, pk: int) -> dict[str, Any]:
        """Return the figures."""
        return {"results": queries.links(campaign_for(self.viewer, pk))}
