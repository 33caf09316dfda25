package state

import (
	"slices"
	"strings"
)

// EvidenceOf is that of the last emergency of a secret; ok is false when there was none.
func EvidenceOf(entries []Entry, secret string) (v Evidence, ok bool) {
	all := EvidencesOf(entries, secret)
	if len(all) == 0 {
		return v, false
	}
	return all[len(all)-1], true
}

// EvidencesOf are those of the emergencies of a secret, oldest first.
func EvidencesOf(entries []Entry, secret string) (all []Evidence) {
	for _, e := range emergencies(entries, secret) {
		v := e.evidence(entries)
		if len(all) > 0 {
			v.Earlier = append(all[len(all)-1].Earlier[:len(all)-1:len(all)-1], all[len(all)-1].Rotations[0].Run)
		}
		all = append(all, v)
	}
	return all
}

// emergency is the replacing of what others know, from the first rotation that said so to the one that was proven: the first may have been
// cut off, and another version may have come to its end.
type emergency struct {
	Evidence
	first    int      // the place of its first entry
	end      int      // that of the one which says that a version is proven; that of the ledger's last, where none does
	versions []string // that were to replace it
}

func emergencies(entries []Entry, secret string) (all []emergency) {
	open := false
	var a inUse
	for i, e := range entries {
		if e.Secret != secret || e.Step != "" {
			continue
		}
		if why, told := compromised(e); told {
			if !open {
				all = append(all, emergency{Evidence: Evidence{Secret: secret, Before: e.Before, Also: a.besides(e), Why: why}, first: i})
			}
			last := &all[len(all)-1]
			last.Version, last.end, open = e.Version, len(entries), true
			if !slices.Contains(last.versions, e.Version) {
				last.versions = append(last.versions, e.Version)
			}
		}
		if open && e.Outcome == Proven {
			all[len(all)-1].end, open = i, false
		}
		a.take(e)
	}
	return all
}

// evidence is what the ledger tells of an emergency, and of what became of its places since.
func (m emergency) evidence(entries []Entry) Evidence {
	v, first, secret := m.Evidence, m.first, m.Secret
	var of []Entry
	made, by := madeBefore(entries, first, v)
	held, later := newPlaces(secret, made), false // later: a version that is none of this emergency's was begun
	for _, i := range by {
		v.Entries = append(v.Entries, witness(i, entries[i]))
	}
	others := map[string]bool{}
	for i, e := range entries[first:] {
		if e.Secret == secret {
			later = later && first+i > m.end || !slices.Contains(m.versions, e.Version)
		}
		switch tells := e.Step == LookedFor(secret) && e.Secret == ""; {
		case tells && held.looked(e), later && !tells && held.after(e):
			v.Entries = append(v.Entries, witness(first+i, e))
			continue
		case tells, later:
			continue
		}
		for _, f := range e.Facts {
			if by, held := f.held(secret); held && e.Secret == secret {
				name, _, _ := strings.Cut(by, ": ")
				others[by], others[name+": "] = true, true
			}
		}
		if e.Secret == secret {
			of = append(of, e)
		} else if !others[taking(e.Secret, e.Step)] {
			continue
		}
		held.add(e)
		v.Entries = append(v.Entries, witness(first+i, e))
	}
	for _, e := range of {
		for _, f := range e.Facts {
			if f.Field == Ousted && !slices.Contains(v.Parts, f.Value) {
				v.Parts = append(v.Parts, f.Value)
			}
		}
	}
	if len(v.Parts) > 0 {
		v.Also = nil // others know a part, whatever else was in use
	}
	v.Rotations = NewHistory(of).Rotations(secret)
	v.Places = held.all()
	v.Again = again(entries, first, v)
	v.Ledger = witness(len(entries)-1, entries[len(entries)-1])
	return v
}

// again is the last rotation since the first of an emergency that puts into force what others know.
func again(entries []Entry, first int, v Evidence) *Witness {
	var last *Witness
	version := ""
	for i := first; i < len(entries); i++ {
		e := entries[i]
		if e.Secret != v.Secret || e.Step != "" {
			continue
		}
		_, told := compromised(e)
		known := append(append([]string{v.Before}, v.Also...), v.Parts...)
		keeps := e.Version == v.Before && v.Before != v.Version || slices.ContainsFunc(e.Facts, func(f Fact) bool { return f.Field == Keeps && slices.Contains(known, f.Value) })
		switch {
		case e.Outcome == Started && keeps && !told:
			w := witness(i, e)
			last, version = &w, e.Version
		case e.Outcome == Back && e.Version == version, e.Outcome == Proven && e.Version != version:
			last = nil
		}
	}
	return last
}

func witness(i int, e Entry) Witness {
	return Witness{Entry: i + 1, Hash: e.Link, Time: e.Time, Run: e.Run, Step: e.Step, Hosts: e.Hosts, Outcome: e.Outcome, Detail: e.Detail}
}

func compromised(e Entry) (why string, told bool) {
	for _, f := range e.Facts {
		if f.Field == Compromised && e.Outcome == Started && e.Step == "" {
			return f.Value, true
		}
	}
	return "", false
}
