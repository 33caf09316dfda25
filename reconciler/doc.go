// Package reconciler is the engine: it looks at a deployment, plans what is left to do, does it, and proves it.
//
// It knows neither hosts nor secrets. What a secret is, and what a step does, comes from elsewhere as data. This is a
// tour from the bottom up; each part names its file. The one path through it, from an open deployment to a report, is
// package session.
//
// # What is looked at (target.go, observe.go)
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
// A [Kind] is one kind of secret: its section of the document, its values and how they are read ([Needed]), and how to
// make a [Rotation] from both. A Rotation is one secret of one deployment. It says what to read, and its Plan turns an
// [Input] (Seen, the ledger's history, the time) into a [Change]. Plan is pure: no I/O, no value, no randomness, the same
// bytes for the same input. It is level-triggered: it never resumes a script, it looks at what is there and says what is
// left. So the answer to a crash, to drift, and to a run that left hosts behind is the same: plan again.
//
// A Change says where the secret stands ([Status]) and why, in findings too. A [Finding] of severity Error is a guard that
// objects: the change is then Refused or Unknown, has no steps, and nothing is applied while one is in the plan. But where it
// objects only because a service is not well (Finding.Unwell), and another change may be the cure (Finding.Cure), the
// change waits for that one (Change.Waits, cure.go), and a later plan has it.
//
// What is found about hosts rather than about the secret (Change.Beside) is shown once for the deployment. Each kind of
// finding has a [Lesson], declared by the package that finds it; a test knows by the compiler which kinds there are. The
// policy silences one for a while (silence.go): it is still shown, and one that refuses is never silenced.
//
// One secret may have to follow another: what it was sealed under changes with an account. A Change says what it Alters:
// facts of targets, and the round after which they are so. Then every rotation is asked once more, with all of that in
// Input.Coming. So no kind knows another.
//
// # When others know a secret (emergency.go)
//
// Input.Compromised says why nothing may go on accepting the old value of a secret: by the word of whoever plans, or of an
// earlier run after which nothing has replaced it. A rotation then leaves nothing for a later run: what it would retire after
// a while is a further round of this plan. The plan says it as a finding. The start in the ledger has the reason, and every
// place that a step takes the old value out of ([Holder]); what became of each is what the ledger says of that step
// (state.EvidenceOf). A place that accepts the old value after that (Change.Still) is a finding until the rotation sees that it
// does not. A run that an emergency began touches that secret and what it needs ([Needing]), and nothing else.
//
// # What is done (step.go, target.go)
//
// A [Step] is an [Op] in its place. Ops are data that survive JSON as kind, target and arguments ([OpData]); the site knows
// how to do them. The [Phase] is the outer order, with a barrier between phases:
//
//	Prepare   make the new value durable, stage files; nothing live changes
//	Accept    make everyone accept the new beside the old, where that needs no file and no restart
//	Switch    stop, change, start
//	Verify    prove it with the new credential
//	Retire    remove the old
//
// Within a phase Step.After is the order, and nothing else is waited for. A constraint is between ops, so it holds on the
// way back as well: whoever starts after Admin forward, starts after Admin back. Every step says what the way back is
// ([Way], [Nothing], [Never]); the zero Back is refused. A file is swapped in the switch alone ([Swapper]), and staged in
// Prepare alone ([Stager]). A step that is a proof gives evidence in whatever phase it stands; where a change has no
// proof, that it was done is the evidence.
//
// A [Round] is Prepare to Retire with a scope of undo of its own. Most changes have one.
//
// # One plan for all (plan.go, merge.go, order.go, words.go, bound.go, saved.go, deeds.go, alike.go, sights.go)
//
// [MakePlan] asks every rotation and merges the steps of the changes that rotate, round by round. Ops with the same key on
// the same target in the same phase become one: two edits of a file are one write, two reasons to restart a service are one
// restart. Constraints of all are kept; where they contradict each other the plan is an error that names both secrets. A wish
// (Step.Rather) is heeded where it contradicts none. arrange (order.go) sorts the steps and cuts them into blocks: a target's consecutive steps, which travel as one batch.
// A block waits for the blocks that its steps come after, as late as it can without delaying anybody.
//
// The sentences of a plan are made of the merged steps by what their ops say ([Phrase]), so that words cannot differ from
// deeds. The [Plan] has a digest over the document, the steps, and the facts of the targets that they act on. A saved plan is applied
// by planning again: [Saved.Check] refuses one that was used, that is too old, or that does not have a
// warning that there is now, and one whose steps or facts differ, and names what changed. Whom a step proves, on the way back too, and a
// look more bind nobody (deeds.go). In its JSON, steps that many hosts have alike stand once, and so does what
// was seen of them.
//
// # Who may do it (marker.go)
//
// The state's lock lets one run at a time change a deployment. Operators with a state each do not see one another's, so the
// [Site] may have a [Marker]: a lock that lies with the deployment, seen by every look, made before the first step, and
// lost like a lock. When it goes, the name of its run stays: a state that does not know the run which changed the deployment last
// applies nothing.
//
// # Doing it (apply.go, work.go, before.go, held.go, judge.go, record.go)
//
// A [Run] applies a plan under a lease. That a secret is begun is in the ledger before
// the first of its rounds; what no round came to was not begun. Before a phase its starts are durable in the ledger, with what its ops foresee
// ([Foreseer]): what a later run must know if this one dies. Then every block goes to its target as soon as what it waits
// for has ended, who took longest in the last run first, and the lease is checked before each. Every step comes back as a
// [Report]: done, failed, unknown, or not tried. The ledger is told by phase, what many hosts did alike in one line: the
// switch costs two appends.
//
// What a report means depends on where it is. A target that fails alone, or that the policy tolerates when it cannot be
// reached, is left behind: the others go on without it ([Narrower]), and the next run finishes it. So is a host that
// one proof about many did not hold for. In Verify a failed proof, or one without an answer, fails its secrets; the
// proofs of the others go on, and where one had no answer the run halts after them. A failure in Retire leaves its target
// behind, for by then everything is proven; what is no host is asked for the proofs of a further round all the same. Any other failure ends the way forward.
// Unknown, from the first file on that was swapped for the same secret or on the same target, halts the run where it is, unless its
// target is left behind: undoing what may not have happened would be a guess. What it has stopped on the other targets comes up
// (rise.go), with what it has there, or, where that is dead, with what it is to have.
//
// An interrupt is heard outside the switch only: services that are down come up first. What has no way back, and was switched to the end,
// is ahead then, with what shares a file with it (interrupted.go); what has one was not taken back and is unknown. A ledger that refuses
// ends a run before the first stop; after it, it keeps no service down.
//
// What a person does is a step too (byhand.go, [ByHand]), in Verify. It is asked of nobody within a run: unless it was
// confirmed, the run does what else there is, and ends ahead for that secret, without a failure; the ledger has what the
// next run needs. A site can say the same of a proof that comes true by a person's hand (Report.Waits).
//
// # The end (back.go, record.go)
//
// A secret ends a run in one of four ways, the same words in [Outcome], ledger and history:
//
//	proven    every one of its proofs was given, those of targets left behind excepted
//	back      everything is as it was before the run, and the proofs of the way back were given
//	ahead     something was begun that has no way back; it stays, and the next run goes on from there
//	unknown   what is live must be looked at
//
// Proven secrets are recorded before Retire removes anything old. If something failed, the failed secrets are taken back,
// and with them those that share a swapped file and, before Verify, those that are not live everywhere yet. One that is live and
// shares no file with them is proven after that, unless the run was interrupted. But a secret with
// a [Never] begun does not go back, nor does what shares a file with it: that would bring a dead value to life. These go
// forward to the end of the switch, so that no service stays down, and are proven if they can be; those of which nothing was
// swapped or changed by then end as before. The way back ends with its own proofs: the Back of a step of Verify. Whoever
// runs is not touched after a failure of what it waits for. A service does not come up without a step that is Vital and was begun, or has a Never, or
// comes after a Never whose end nobody knows; one that was down before the run, not without a step that is Needed:
// what it has is dead, or may not run beside what the others have. It stays down, and is named.
//
// What this run stopped and nobody started again is in Outcome.Down, and who is cut off from what has the new value. The next plan has it in Change.Down, by the ledger alone
// where its host cannot be looked at (stilldown.go), and a run that does nothing about it has it in its Outcome again. So has
// one that is limited to other secrets: it looks at the services that their record left down, and at those that one host alone has (beside.go). What runs have tried
// in vain to bring back stays there until it is seen to work, and is not tried for ever (Down.Stays): a restart is an outage, too. An outage is counted
// by intervals (outages.go): from the stop, or from the time that the ledger knows of an earlier run's stop, to the moment at
// which something was seen to work.
// A Site sees that beside the steps (Site.Worked): nobody's outage is longer because another is waited for. What came back before
// this run looked, and whose end no run has told, has an outage of its own whose end is the latest that it can have been
// (Change.Returned); what runs again and does not work has one that goes on. Predictions come from what one run measured from its beginning to its end. What was proven and has stopped
// by the end of the run is down too (Site.Fallen). So is what was started, runs, and was waited for in vain, after its start or in a proof (Report.Unwell),
// and who was cut off before by whomever, or may have been by what failed a run before its switch (cutoff.go).
// A run that has lost its lease by its end tells what it knew, and says so (Outcome.ByRecord).
//
// # What each class of trouble does to a run
//
// The site asks again before it reports: for 5 s in a look, in a step for a minute, and for half of that at least after the
// first failure. An effect is sent again only because every op looks before it acts, and while the lease is ours; and what a batch
// has restarted, as its host shows, is not stopped again. A service that others wait for is looked at over a second connection
// when no answer comes, as the first may have died in silence. A step that says Once is not sent again, unless it was seen that it was not done. Whose end nobody could see
// has an outage that is told as the most that it can have been (Outage.AtMost). Who was waited for in vain is not waited for as long again: Admin's API until a service behind
// it was started anew, a host where only files beside the live ones are left to remove. What then comes back:
//
//	class           example                   reported as             what the run does
//	not reached     no route, refused,        Failed, Unreachable;    before the first swapped file: all goes back. Later:
//	                a host that restarts      in Verify Unknown       tolerated or Alone: left behind; else all goes back.
//	                                                                  It is never evidence: nothing is refuted by it
//	no answer       cut, hung, timed out      Unknown                 a stop among the steps: may be down. From the first
//	                after it was sent                                 swapped file on the run halts, but for who is Alone:
//	                                                                  left behind; the next run looks
//	refused         401, no ticket, 5, 1069,  Failed                  as the step says: Alone is left behind, else all goes
//	                a guard's objection                               back, or on where there is no way back, or where what
//	                                                                  works would not come up again (Report.Stays)
//	wrong answer    502, a fault, half an     asked again like no     as no answer, when it does not pass
//	                answer, other bytes       answer
//	no answer to    a file that is held, a    asked again; in         it refutes nothing: the run halts, and nothing is
//	a proof         denied read, a hung       Verify Unknown          taken back
//	                query, no value
//	our own limit   Step.Limit, a service's   what the op says:       as refused; a service that is on its way is named with
//	                timeout, an interrupt     "still stopPending"     its state. An interrupt waits for the switch's end
//	our own books   ledger, lease, disk,      -                       before the first stop: all goes back, and room for
//	                clock                                             what is still to be written is kept by then. After it:
//	                                                                  services come up first. A lost lease stops everything
//	                                                                  before its next effect, on every target; where nobody has
//	                                                                  had it since, it is taken anew for the way back (regain.go)
//
// On the way back the same holds, but for this: who is down comes up whatever else failed, and nobody is touched before the one
// that it waits for is back. At the end of every run Outcome.Down is what is down, since when, and whether that is sure;
// Outcome.Remarks is what somebody else did meanwhile.
//
// # Secrets as steps of this core
//
// SQL login, alternating (two logins; the idle one is changed, so that nothing live breaks):
//
//	Prepare  keep the value; stage both settings files
//	Accept   ALTER the idle login: Nothing to take back, as nobody used its old password; Once. Then a fresh sign-in: Proof
//	Switch   stop Engine; stop Admin after it; swap both files after both stops (together: each start After both swaps);
//	         start Admin; await ready; start Engine after it. Ways: start, restore, stop
//	Verify   a fresh login with the string of the files; Engine's own sessions; /health/ready
//	Retire   in a later run, after the soak: disable the old login: Never, Proof
//
// SQL login, single (an outage, forward only): the same, but ALTER stands in the Switch, After both stops, Never and Once;
// both swaps come After it. Killed on either side of it, the next run probes which password is accepted; a failure after it
// ends ahead, with both services started. Refused for certain ([Report.Refused]) it was not begun, and everything goes back.
// Without an answer no file follows it, and neither service starts: what it has may be dead.
//
// A thousand connector secrets are a thousand rotations of one [Change.Group], which are shown in one row:
//
//	Prepare  keep all values, read at the same time
//	Accept   one op each on the Engine host, in one batch. Way: the value before it, if it is kept here; else Never
//	Verify   the database's own time of each, read once; a sync run that began later, or a program of the operator that
//	         signs in at the source. What changes the source after the push is a second round, which a later run goes on
//	         with: a program of the operator, in its Switch, Never and Once; or a person, ByHand in its Verify. A program that
//	         goes first stands in the Switch, and the push After it, Never
//
// Service account (the password was changed in the domain; what a service manager keeps cannot be read back):
//
//	Prepare  keep the value
//	Accept   a logon with it on one host, Once and Proof; on the other hosts After it: a wrong password is tried once
//	Switch   set the logon of each service: Never, the old password is dead; stop After it, start After both
//	Verify   each process runs as the account, is younger than its logon, and stays
//
// Restart later: no stop and no start; Verify asks what the service is set to. An account that has no password cannot be
// tried: the first service is a round of its own. Where an account changes its own password in the domain, that is the Switch's
// first, Never and Once, and the logons After it stand there too.
//
// Code signing (there is no value; the version is made of the declared thumbprints; narrowing is a later commit):
//
//	Prepare  stage each relay's settings: an edit of its list, which merges with a relay key's into one staging, swap and restart
//	Accept   where a certificate is taken off: once more, that no connector there is signed with it
//	Switch   stop, swap, start
//	Verify   the list in force; each process younger than its file; relays that were connected are so again
//
// Its build host is a rotation of its own, in round 2 where relays do not accept the certificate yet:
//
//	Prepare  keep the PFX and its password; stage the script that names the certificate
//	Accept   import the certificate. Way: remove it
//	Switch   replace the script, or set a variable. Way: as it was. Then the build, with a Limit of its own: Once, Never. What it writes
//	         is told while it runs (Said), and is in no book
//	Verify   what the build is told; each artifact signed with the certificate, and stamped
//
// # Telling (event.go, hint.go)
//
// Whatever happens is an [Event] to one listener, which serves the terminal, the log and JSON. Errors may carry advice:
// [Hinted] adds it, [HintOf] finds it. No plan, event, error, report or ledger entry holds a secret value: steps carry
// secret.Ref, and values live in secret.Value, which does not print. What people type, such as why, and what
// programs write goes through the Site before it is told ([Withholder]).
package reconciler
