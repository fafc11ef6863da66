"""Skills: one file each, beside the sentence templates in sentences/<language>.yaml. `registry.load_skills` finds them."""
