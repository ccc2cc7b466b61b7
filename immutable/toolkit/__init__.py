"""What backends of clouds have in common, for their authors: each module is one idea.

Nothing here is a part of the contract, and nothing has to be used. What is here was the same in
several backends: it knows the contract, and no cloud. Import the module that you need; the core
loads none of them.

Telling and deciding, pure:

* `immutable.toolkit.address`: options of an address, an endpoint, how traffic is shared
* `immutable.toolkit.environment`: a revision's settings as files that servers read
* `immutable.toolkit.faults`: from a provider's codes to errors of the contract
* `immutable.toolkit.marks`: holds, origins and numbers as text
* `immutable.toolkit.owning`: who may change, make, adopt and remove a group
* `immutable.toolkit.packing`: long values in short tags
* `immutable.toolkit.settings`: settings of a new fleet
* `immutable.toolkit.weights`: tables of weights

Remembering between two looks or calls:

* `immutable.toolkit.drains`: since when members drain
* `immutable.toolkit.lasting`: since when something is so
* `immutable.toolkit.servertime`: the cloud's clock
* `immutable.toolkit.sights`: what is known of a member

Asking:

* `immutable.toolkit.deeds`: whether a call has changed something
* `immutable.toolkit.perloop`: what all backends of a process share
* `immutable.toolkit.requests`: several requests at once, or in parts
* `immutable.toolkit.threads`: a blocking SDK on threads of one's own
* `immutable.toolkit.turns`: one change of a fleet at a time
"""
