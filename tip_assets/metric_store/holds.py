"""Names of the checks that hold a month until a person or an earlier month decides."""

# Blocking checks that a person may overrule. What the others stop is broken and cannot be released.
MODEL_IS_SOUND = "model_is_sound"
DATASET_HAS_NOT_DRIFTED = "dataset_has_not_drifted"
RELEASABLE = (MODEL_IS_SOUND, DATASET_HAS_NOT_DRIFTED)
# The check that defers a month while earlier ones are pending.
TRAINING_WINDOW_IS_WHOLE = "training_window_is_whole"


def describe(found: str, released: str | None) -> str:
    """Describe what a check found and, if a person released it, why."""
    return f"{found}; {released}" if released else found
