package reconciler

// Lesson teaches a kind of finding. Each has one, declared by the package that finds it.
type Lesson struct {
	ID FindingID `json:"id"`
	// Means says what was seen, Matters why a person should care, Do what to do about it.
	Means   string `json:"means"`
	Matters string `json:"matters"`
	Do      string `json:"do"`
	// Example is the line as a plan may show it.
	Example string `json:"example"`
}

// Lessons are those of what the engine itself finds.
func Lessons() []Lesson {
	return []Lesson{
		{ID: "target-unreachable",
			Means:   "A host, the Admin API or the database did not answer at all: no route, refused, timed out.",
			Matters: "What is there is not known, and unknown is never taken for fine. A secret that needs it is refused, unless the policy tolerates it.",
			Do:      "Bring it back, or correct its name or address under hosts and connect; then plan again.",
			Example: "relay-07.hq.contoso.example: cannot be reached: connection refused"},
		{ID: "target-failed",
			Means:   "It answers, and does not let itself be looked at: access denied, no PowerShell, a protocol error.",
			Matters: "Half a look is no look: nothing on it is judged or changed.",
			Do:      "Read the reason in the line; mostly it is the account's rights there, or a policy of the host.",
			Example: "relay-07.hq.contoso.example: answers and cannot be looked at: access denied (401)"},
		{ID: "target-unknown",
			Means:   "The look ended before this target's turn came.",
			Matters: "Nobody knows what is there.",
			Do:      "Plan again; give the look more time with policy.hostTimeout, or more hosts at once with policy.parallel.",
			Example: "relay-07.hq.contoso.example: was not looked at: the run was interrupted"},
		{ID: "still-down",
			Means:   "An earlier run stopped a service, and no run has seen it work since.",
			Matters: "Something of the product is down, perhaps for hours.",
			Do:      "`meshrotate apply` starts it and proves it. Where its host does not answer, start it there. Where the lock of another run is in the way, wait for its end; when that run is dead, `meshrotate unlock` removes the lock.",
			Example: "relay-07.hq.contoso.example (IdentityMeshRelayAgent) is down since 2026-11-24 22:03 UTC: its run was killed"},
		{ID: "secret-compromised",
			Means:   "Somebody has said, with `meshrotate rotate --compromised`, that others know the live value of this secret.",
			Matters: "Whoever knows it can use it until nothing accepts it any more. So there is no overlap and no soak: what a rotation leaves for a later run is done in this one, whatever it costs.",
			Do:      "Agree to the outage and let it run to its end. Then read `meshrotate history --evidence SECRET`: each place that held the value, and what became of it there. A run that was cut off is finished by `meshrotate apply` in the same way. Where the declared version is the very one that others know, declare another: it stays so for good, and it is drift. So is a host that was left behind and may accept the value still: bring it back, and apply. Where no run takes it out, take it away by hand: the plan says so until it sees that, or until it is silenced for that host.",
			Example: "compromised: the key was posted in a ticket. Nothing is to accept the old value after this run"},
		{ID: "due-and-left",
			Means:   "An emergency replaces one secret, and by the record others are due as well.",
			Matters: "`meshrotate rotate --compromised` touches the secret that others know, and what that one needs, and nothing else: what is not urgent is not stopped for, and cannot stand in the way.",
			Do:      "When the emergency is over, `meshrotate plan` looks at them, and `meshrotate apply` rotates them.",
			Example: "due as well by the record, and left as it is: alpha 8 (7 was proven last)"},
		{ID: "silence-ended",
			Means:   "The last day of a silence in the document has passed.",
			Matters: "What was accepted for a while is shown again, as if nobody had accepted it.",
			Do:      "Mend what it was about and take it out of policy.silence, or give it a later day.",
			Example: "the silence of clock-skew ended on 2026-10-31 (NTP is being moved)"},
		{ID: "state-elsewhere",
			Means:   "The run that changed this deployment last is not in this state's ledger. Its name is on the Admin host, beside the marker.",
			Matters: "It ran with another state, or this one is an older copy: what that run set, and what it left half done, is not known here. `apply` refuses: it would give a version a second value.",
			Do:      "Apply with the state of that run, or bring this one up to date. Where that state is lost for good, `meshrotate unlock --marker` forgets the run: from then on this state counts.",
			Example: "the run that changed this deployment last is not in this state's ledger, so what it set is not known here: run 20261128-090000-abcdef of bob@two, begun 2026-11-28 09:00:00 UTC"},
		{ID: "run-at-work",
			Means:   "A run with another state is changing this deployment now, by the marker on its host.",
			Matters: "Two runs that do not know of each other could bring two values of one secret live.",
			Do:      "Wait for it, or find out whose it is. Once it is certain that it has ended, `meshrotate unlock` removes its marker.",
			Example: "a run of another state is at work: ada on ci-02, for 40 s"},
	}
}
