"""OpenAI's CLIP state dicts under the names of transformers' ``CLIPModel``: public code of RQ-Net and LIQE uses them.

The function is the same; OpenAI packs the query, key and value weights of an attention into one tensor and multiplies
by its projections from the right.
"""

from torch import Tensor

_NAMES = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre": "vision_model.pre_layrnorm",  # so spelt there
    "visual.ln_post": "vision_model.post_layernorm",
    "visual.proj": "visual_projection.weight",
    "visual.transformer.resblocks": "vision_model.encoder.layers",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final": "text_model.final_layer_norm",
    "text_projection": "text_projection.weight",
    "transformer.resblocks": "text_model.encoder.layers",
    "logit_scale": "logit_scale",
}
_IN_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def from_openai(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename and reshape a state dict of OpenAI's (or open_clip's) ViT CLIP.

    Parameters
    ----------
    state : dict
        Keys as in OpenAI's CLIP: ``visual.*`` for the image half, the text half beside it or not.

    Returns
    -------
    dict
        Keys as in transformers' ``CLIPModel`` (``CLIPVisionModelWithProjection`` for the image half alone); a key that
        is no CLIP's stays as it is.
    """
    renamed = {}
    for key, value in state.items():
        # The longest name that the key is, or that is followed by a dot in it.
        theirs = max((name for name in _NAMES if f"{key}.".startswith(f"{name}.")), key=len, default=None)
        if theirs is None:
            renamed[key] = value
            continue
        name, rest = _NAMES[theirs], key[len(theirs) :]
        if theirs.endswith("proj") or theirs == "text_projection":
            value = value.T  # (width, dim), x @ proj -> (dim, width), a Linear's weight
        if "attn.in_proj_" in rest:
            stem, kind = f"{name}{rest}".split(".attn.in_proj_")
            for projection, third in zip("qkv", value.chunk(3), strict=True):  # (3 W, W) -> 3 x (W, W)
                renamed[f"{stem}.self_attn.{projection}_proj.{kind}"] = third
            continue
        for theirs_in_layer, ours in _IN_LAYER.items():
            rest = rest.replace(f".{theirs_in_layer}.", f".{ours}.")
        renamed[name + rest] = value
    return renamed
