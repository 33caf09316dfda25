package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// reads are the hosts that are read for the document's secrets.
func (s *Session) reads() planned {
	reads := planned{}
	for _, r := range slices.Concat(s.Rotations, s.Others) {
		reads.add(r)
	}
	return reads
}

// confirms says that somebody has said of a host that what was left down there runs, or is gone for good.
func (s *Session) confirms(host string) bool {
	return slices.ContainsFunc(s.Confirmed, func(name string) bool { return strings.EqualFold(name, host) })
}

// unfinished are the objections of secrets that the document does not name any more and whose rotation is not at an end: what it has stopped, or
// was about to, may start with a value that is dead, and nobody who plans knows what that needs.
func (s *Session) unfinished(h state.History) (all []reconciler.Minded) {
	for _, w := range h.DownElsewhere(s.reads().has) {
		if w.Begun == "" || s.confirms(w.Host) {
			continue
		}
		text := fmt.Sprintf("%s: service %s is neither to be stopped nor started now: a run that was to set version %s of %s did not finish, and the document does not name that secret any more",
			w.Host, w.Service, w.Begun, w.Secret)
		all = append(all, reconciler.Minded{Service: w.Service, Starts: true, Finding: reconciler.Finding{Severity: reconciler.Error, Code: "cut-off-elsewhere",
			Hosts: []string{w.Host}, Text: text, Hint: nameAgain(w)}})
	}
	return all
}

// nameAgain is what to do about a service that a rotation has left which nobody goes on with.
func nameAgain(w state.Word) string {
	return fmt.Sprintf("name the secret again, with version %s, and apply: that finishes it, and starts the service with what works. Only where you know that it runs well with what it has: `meshrotate apply --confirm %s`", w.Begun, w.Host)
}

// severed are relays that a rotation which is not at an end has, or may have, cut off from what it changed elsewhere, for a secret that the
// document does not name any more. Those that work are taken out by whoever asks.
func (s *Session) severed(v *View, reads planned) (all []reconciler.Down) {
	relays := s.Document.Relays()
	for _, w := range v.History.UnfinishedElsewhere(reads.has) {
		down := slices.ContainsFunc(v.Plan.Down, func(d reconciler.Down) bool { return d.Target.Name == w.Host })
		if down || !slices.Contains(relays, w.Host) {
			continue
		}
		d := downElsewhere(w)
		d.CutOff, d.Cause = true, fmt.Sprintf("a run that was to set version %s of %s did not finish, and the document does not name that secret any more", w.Begun, w.Secret)
		d.Why = reconciler.Hinted(errors.New(d.Cause), fmt.Sprintf("name the secret again, with version %s, and apply: that finishes it", w.Begun))
		all = append(all, d)
	}
	return all
}
