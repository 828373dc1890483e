# Stops at the next line of whatever was running. The breakpoint must be the last statement: after
# any other one, the next line would be one of this text.
import debugpy
debugpy.breakpoint()
