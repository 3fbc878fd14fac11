"""A look-alike of Seller Central: sign-in, orders and papers, in every known variant and with every fault.

It needs the extra ``sandbox`` (starlette, jinja2; uvicorn to serve it).
"""

from __future__ import annotations

from amazon_ae.testing._seller_central.faults import Fault, PlannedFault
from amazon_ae.testing._seller_central.site import SellerCentralSite
from amazon_ae.testing._seller_central.state import SiteCounts, SiteRequest, SiteUser
from amazon_ae.testing._seller_central.variants import (
    AccountPicker,
    Challenge,
    Drawing,
    InvoiceForm,
    LabelForm,
    Language,
    Nag,
    SignedOutAnswer,
    SignInForm,
    SiteVariants,
    Tour,
)

__all__ = [
    "AccountPicker",
    "Challenge",
    "Drawing",
    "Fault",
    "InvoiceForm",
    "LabelForm",
    "Language",
    "Nag",
    "PlannedFault",
    "SellerCentralSite",
    "SignInForm",
    "SignedOutAnswer",
    "SiteCounts",
    "SiteRequest",
    "SiteUser",
    "SiteVariants",
    "Tour",
]
