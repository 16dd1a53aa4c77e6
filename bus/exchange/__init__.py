"""The bus as an exchange of the library ``threatexchange``: what a platform's matcher matches against.

``bus.exchange.facts`` says what an inbox says of a hash; it needs no library. ``bus.exchange.inbox`` reads the inbox.
``bus.exchange.api`` is the ``SignalExchangeAPI``, and needs ``safeguard-bus[exchange]``; so does
``bus.exchange.extension``, which ``threatexchange config extensions add`` takes. How to use it: ``docs/exchange.md``.
"""
