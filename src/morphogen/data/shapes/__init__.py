"""`shapes`: scenes of one to three objects with captions, a closed form for text to picture.

scenes            objects, their attributes and relations: a keyed stream, with held-out pairs
scene_pictures    their pictures of 32 x 32 pixels
scene_captions    their captions in a grammar, and what a caption says
scene_reader      which objects a picture shows
"""
