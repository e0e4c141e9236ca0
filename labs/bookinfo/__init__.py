"""The bookinfo lab: the demo services in the mesh and no rule yet. With ``--keep``, the place to play.

lab  its one step
"""
