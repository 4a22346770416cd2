"""A finished study's model as others can use it: ONNX and safetensors, a card made of facts, one signature over all."""
