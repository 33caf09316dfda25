// Package reconciler is the engine: it looks at a deployment, plans what is left to do, does it, and proves it.
//
// It knows neither hosts nor secrets. What a secret is, and what a step does, comes from elsewhere as data. This is a
// tour from the bottom up; each part names its file.
//
// # What is looked at (rotation.go, observe.go)
//
// A [Target] is something that is looked at or changed in one batch: a host, the Admin API, the store of values. A
// [Read] is one question about a target, a [Result] its answer. Reads are data with a key, so the same question from
// two secrets is asked once, and all questions for a host travel together. [Observe] hands them to the [Site], the only
// thing here that does I/O on a deployment, and gets [Seen]: for each target how the look ended ([Reach]) and the
// results. A target that did not answer is in Seen as Unreachable or Broken; what nobody looked at has the zero Reach.
// None of the three reads as "fine": [Seen.Of] has no answer then. A Result may hold secret values; its facts
// ([Fact]) may not, and they are all that a plan keeps of it.
//
// # What is wanted (rotation.go)
//
// A [Kind] is one kind of secret: its section of the document, its values, and how to make a [Rotation] from both. A
// Rotation is one secret of one deployment. It says what to read, and its Plan turns an [Input] (Seen, the ledger's
// history, the time) into a [Change]. Plan is pure: no I/O, no value, no randomness, the same bytes for the same input.
// It is level-triggered: it never resumes a script, it looks at what is there and says what is left. So the answer to a
// crash, to drift, and to a run that left hosts behind is the same: plan again.
//
// A Change says where the secret stands ([Status]), in words for a reviewer (Reason, Lines, Outages, Undo, Proof) and in
// findings. A [Finding] of severity Error is a guard that objects: the change is then Refused or Unknown, has no
// steps, and apply changes nothing while one is in the plan.
//
// # What is done (rotation.go)
//
// A [Step] is an [Op] in its place: a phase, a wave, the op that takes it back, and whether a failure stays on its
// target (Alone). Ops are data too; the site knows how to do them. The [Phase] is the only ordering language:
//
//	Prepare   make the new value durable, stage files; nothing live changes
//	Accept    make everyone accept the new beside the old
//	Stop      the three that people call the switch
//	Edit
//	Start
//	Verify    prove it with the new credential
//	Retire    remove the old
//
// # One plan for all (plan.go, merge.go, fleet.go)
//
// [MakePlan] asks every rotation and merges the steps of the changes that rotate. Ops with the same key on the same
// target in the same phase become one: two edits of a file are one write, two reasons to restart a service are one
// restart. A merged step belongs to all its secrets, and is Alone only if all of them can spare it. The steps are then
// sorted by phase, wave and target, and named; the name is the step's key in the ledger.
//
// The [Plan] has a digest over the document, the steps and the facts. A saved plan is applied by planning again:
// [Saved.Check] refuses a plan that was used, that is too old, or whose digest differs, and then names what changed,
// the document or a host and its field.
//
// # Doing it (apply.go, judge.go, record.go)
//
// A [Run] applies a plan under a lease. [Run.Apply] cuts the steps into barriers, one for each wave of each phase, and
// passes them in order. Before a barrier it checks the lease and makes the steps' starts durable in the ledger. Then
// every target works on its batch in parallel, and every step comes back as a [Report]: done, failed, unknown, or not
// tried. Outcomes go to the ledger before the next barrier.
//
// What a report means depends on where it is. A target that fails alone, or that the policy tolerates when it cannot be
// reached, is left behind: the others go on without it ([Narrower]), and the next run finishes it. So is a host that
// one proof about many did not hold for. In Verify a failed proof fails its secrets; the proofs of the others go on. A
// failure in Retire leaves its target behind, for by then everything is proven. Any other failure ends the way forward.
// Unknown, from the first changed file on, halts the run where it is: undoing what may not have happened would be a
// guess.
//
// An interrupt is heard between barriers, and not within the switch: services that are down come up first.
//
// # The end (apply.go, undo.go, record.go)
//
// A secret is proven when every one of its proofs was given, those of targets left behind excepted. Proven secrets get
// their `done` in the ledger before Retire removes anything old. If something failed, the failed secrets are taken
// back, and with them those that share an edited file; before Verify nothing is proven, so everything goes back. Undos
// run in reverse, barrier by barrier, also for steps that were begun and never answered: an undo looks before it acts.
//
// The [Outcome] says what was proven and by what evidence, what was put back, what is left and why, and whether the run
// halted. Outages are measured from the first stop to the last return, beside what the plan predicted.
//
// # Telling (event.go, hint.go)
//
// Whatever happens is an [Event] to one listener, which serves the terminal, the log and JSON. Errors may carry advice:
// [Hinted] adds it, [HintOf] finds it. No plan, event, error, report or ledger entry holds a secret value: steps carry
// secret.Ref, and values live in secret.Value, which does not print.
package reconciler
