"""From the sentences of a reply to sound: normalisation, the speech engines, the chime and the stage that joins them."""
