"""Who may use the app: everybody, or people who have logged in.

Belongs here: that rule. Does not belong here: the login itself, which is Streamlit's own
(`st.login`, OIDC).
"""

from collections.abc import Mapping


def may_enter(person: Mapping[str, object], users: str) -> bool:
    """Whether a person who has logged in is one of `users` (the setting `app_users`).

    `person` are the claims of the identity token. An address counts unless the provider says that
    it has not been verified; without `users` everybody whom the provider knows may enter.
    """
    if not users.strip():
        return True
    # Some providers say it as text.
    if str(person.get("email_verified", True)).casefold() == "false":
        return False
    address = str(person.get("email") or "").casefold()
    allowed = [entry.strip().casefold() for entry in users.split(",") if entry.strip()]
    return any(
        address.endswith(entry) if entry.startswith("@") else address == entry for entry in allowed
    )
