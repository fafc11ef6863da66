"""Skills: one file each, beside the sentence templates in sentences/<language>.yaml; `registry` finds them."""
