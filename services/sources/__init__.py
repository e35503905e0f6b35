"""Facts from outside the exchange's order books: a plug-in per outside service, none of them with an exchange key."""
