"""From the sentences of a reply to sound: normalisation, speech engines, the chime and the stage that joins them."""
