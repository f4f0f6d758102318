"""Who may use the app: everybody, or people who have logged in.

Belongs here: that rule. Does not belong here: the login itself, which is Streamlit's own
(`st.login`, OIDC).
"""

from collections.abc import Mapping


def may_enter(person: Mapping[str, object], users: str, accept_unverified: bool = False) -> bool:
    """Return whether a person who has logged in is one of `users` (the setting `app_users`).

    `person` holds the claims of the identity token. An address counts only when the provider says
    that it is verified: the claim `email_verified` is there and true. `accept_unverified` is the
    setting for providers that never send that claim; one that says false is refused even so.
    Without `users`, everybody whom the provider knows may enter.
    """
    if not users.strip():
        return True
    # Some providers send text instead of a boolean.
    verified = str(person.get("email_verified", accept_unverified)).casefold()
    if verified != "true":
        return False
    address = str(person.get("email") or "").casefold()
    allowed = [entry.strip().casefold() for entry in users.split(",") if entry.strip()]
    return any(
        address.endswith(entry) if entry.startswith("@") else address == entry for entry in allowed
    )
