"""What things cost: price versions, coupons, taxes, and the money that an order keeps aside."""

from backend.billing.prices.versions import PriceVersion, get, of_service, offered

__all__ = ["PriceVersion", "get", "of_service", "offered"]
