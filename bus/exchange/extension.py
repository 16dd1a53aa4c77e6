"""What the ``threatexchange`` command loads: ``threatexchange config extensions add bus.exchange.extension``."""
# pyright: basic, reportMissingImports=false
# The library is installed on request only (docs/adr/0022).

from __future__ import annotations

from threatexchange.extensions.manifest import ThreatExchangeExtensionManifest

from bus.exchange.api import BusSignalExchangeAPI

TX_MANIFEST = ThreatExchangeExtensionManifest(apis=(BusSignalExchangeAPI,))
