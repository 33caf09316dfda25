package relaykey

import (
	"fmt"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// Waves order the services within Stop and Start: whoever depends on Admin stops before it and starts after it.
const (
	waveKeep, waveStage            = 0, 1 // Prepare
	waveDependents, waveAdmin      = 0, 1 // Stop
	waveHub, waveReady, waveAgents = 0, 1, 2
	waveProof, waveProcess         = 0, 1
)

// steps lists what is to be done.
func (r *Rotation) steps(c *reconciler.Change, w work) {
	add := func(p reconciler.Phase, wave int, op, undo reconciler.Op, alone bool) {
		c.Steps = append(c.Steps, reconciler.Step{Phase: p, Wave: wave, Op: op, Undo: undo, Alone: alone})
	}
	if w.mint {
		add(reconciler.Prepare, waveKeep, site.Keep{Secret: r.ref}, nil, false)
	}
	edit := w.edit
	if w.editAdmin {
		edit = append([]live{w.admin}, edit...)
	}
	for _, l := range edit {
		relay := l.host != r.admin.host
		add(reconciler.Prepare, waveStage, site.StageSettings{Host: l.host, Path: l.component.Settings, Base: l.setting.SHA256,
			Edits: []site.KeyEdit{{Setting: l.setting.Key, Secret: r.ref}}}, site.Discard{Host: l.host, Path: l.component.Settings, Staged: true}, false)
		add(reconciler.Edit, 0, site.Swap{Host: l.host, Path: l.component.Settings},
			site.Restore{Host: l.host, Path: l.component.Settings}, relay)
	}
	bounced := func(l live, stopWave, startWave int, alone bool) {
		start := site.StartService{Host: l.host, Service: l.component.Service, Timeout: l.component.StartTimeout.Of(), Name: l.label}
		stop := site.StopService{Host: l.host, Service: l.component.Service, Timeout: l.component.StopTimeout.Of(), Name: l.label}
		var restart reconciler.Op = start
		if l.stopped {
			restart = nil // it was not running: undo leaves it so
		}
		add(reconciler.Stop, stopWave, stop, restart, false)
		add(reconciler.Start, startWave, start, stop, alone)
		add(reconciler.Verify, waveProcess, site.ProveProcess{Host: l.host, Service: l.component.Service, Path: l.component.Settings,
			Stable: l.component.Stable.Of(), Name: l.label}, nil, alone)
	}
	for _, l := range w.restart {
		bounced(l, waveDependents, waveAgents, true)
	}
	if w.bounce {
		bounced(w.admin, waveAdmin, waveHub, false)
	}
	add(reconciler.Start, waveReady, site.AwaitReady{Timeout: r.api.ReadyTimeout.Of()}, nil, false)
	add(reconciler.Verify, waveProof, site.ProveSetting{Host: r.admin.host, Path: r.admin.component.Settings,
		Setting: r.admin.setting.Setting, Secret: r.ref, Service: r.admin.component.Service}, nil, false)
	if len(w.prove) > 0 {
		add(reconciler.Verify, waveProof, site.ProveRelays{Relays: hosts(w.prove), Timeout: r.api.ConnectedTimeout.Of()}, nil, false)
	}
	for _, l := range union(edit, w.tidy) {
		add(reconciler.Retire, 0, site.Discard{Host: l.host, Path: l.component.Settings, Staged: true, Backup: true}, nil, true)
	}
}

func union(a, b []live) []live {
	seen := map[string]bool{}
	var all []live
	for _, l := range append(append([]live(nil), a...), b...) {
		if !seen[l.host] {
			seen[l.host] = true
			all = append(all, l)
		}
	}
	return all
}

// describe writes the sentences that a reviewer reads.
func (r *Rotation) describe(c *reconciler.Change, in reconciler.Input, w work) {
	say := func(phase, format string, args ...any) {
		c.Lines = append(c.Lines, reconciler.Line{Phase: phase, Text: fmt.Sprintf(format, args...)})
	}
	files := len(w.edit)
	if w.editAdmin {
		files++
	}
	if files > 0 {
		how := "the key is kept already"
		switch {
		case w.mint && r.spec.From.Generated:
			how = fmt.Sprintf("mint %d bytes, keep them sealed", MinBytes)
		case w.mint:
			how = "fetch the key from " + r.spec.From.String() + ", keep it sealed"
		}
		say("prepare", "%s; stage on %s", how, who(w.editAdmin, w.edit))
	}
	switch {
	case w.bounce && files > 0:
		say("switch", "stop %s, replace %s, start Admin, wait until ready, start %s", who(true, w.restart), count(files, "file"), orNobody(w.restart))
	case w.bounce && len(w.restart) == 0:
		say("switch", "restart Admin, wait until ready")
	case w.bounce:
		say("switch", "restart %s, Admin first, wait until ready", who(true, w.restart))
	case files > 0:
		say("switch", "stop %s, replace %s, start", who(false, w.restart), count(files, "file"))
	case len(w.restart) > 0:
		say("switch", "restart %s", who(false, w.restart))
	}
	proof := "Admin runs with it"
	if n := len(w.prove); n > 0 {
		proof = fmt.Sprintf("%s connected, %swith a heartbeat after its restart; Admin accepts %s alone", count(n, "relay"), each(n), r.ref.Version)
	}
	say("verify", "%s", proof)
	if len(w.tidy) > 0 || files > 0 {
		say("retire", "remove the backups and staged files")
	}
	c.Proof = proof
	if files > 0 {
		c.Undo = fmt.Sprintf("the %s as they were, until a relay has proven the new key", count(files, "file"))
		if files == 1 {
			c.Undo = "the file as it was, until a relay has proven the new key"
		}
		if w.pending {
			c.Undo += "; not what an earlier run has replaced"
		}
	}
	c.Outages = r.predict(in, w)
}

// each is for more than one.
func each(n int) string {
	if n == 1 {
		return ""
	}
	return "each "
}

func orNobody(relays []live) string {
	if len(relays) == 0 {
		return "no relay"
	}
	return who(false, relays)
}

// What a service takes where no earlier run measured it, in seconds. The product's own times are shorter; hosts under
// load are not.
const (
	guessStop, guessReplace, guessStart, guessConnect = 3, 1, 5, 5
)

// predict says how long what will be down: as long as last time, or a guess.
func (r *Rotation) predict(in reconciler.Input, w work) []state.Outage {
	last := map[string]float64{}
	for _, o := range in.History.Outages(r.ref.Name) {
		last[o.What] = o.Measured
	}
	if _, bounced := last["Admin"]; bounced != w.bounce {
		clear(last) // a relay's restart alone is another outage than one with Admin's
	}
	guess := func(what string, seconds float64) float64 {
		if m, ok := last[what]; ok {
			return m
		}
		return seconds
	}
	var all []state.Outage
	relays := float64(guessStop + guessReplace + guessStart + guessConnect)
	if w.bounce {
		relays += guessStop + guessStart
	}
	if len(w.restart) > 0 {
		all = append(all, state.Outage{What: "relays", Predicted: guess("relays", relays), Members: hosts(w.restart)})
	}
	if w.bounce {
		all = append(all, state.Outage{What: "Admin", Predicted: guess("Admin", guessStop+guessReplace+guessStart), Members: []string{"Admin"}})
	}
	return all
}
