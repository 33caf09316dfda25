package reconciler

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"meshrotate/specs"
)

// bound is what a plan is bound to, and what its digest is made of: the document, the steps, and what was seen of the targets that
// they act on. What was seen elsewhere is in it as far as anything follows from it: then the steps differ, a guard refuses, or there
// is a warning that the saved plan's reader has not read. So a plan does not lapse because something happens to be otherwise on a
// host that it leaves alone.
type bound struct {
	Format, Deployment, Spec string
	Rounds                   json.RawMessage
	Seen                     Sights
}

func (b bound) digest() (string, error) {
	if len(b.Rounds) == 0 {
		b.Rounds = json.RawMessage("null")
	}
	body, err := json.Marshal(b) // it compacts and escapes a saved plan's rounds as it does those that it makes
	return sum(body), err
}

// bound is what the plan is bound to.
func (p *Plan) bound() (bound, error) {
	rounds, err := json.Marshal(p.Rounds)
	return bound{p.Format, p.Deployment, p.Spec, rounds, of(p.touched(), p.Seen)}, err
}

// touched are the targets that the plan's steps act on.
func (p *Plan) touched() map[Target]bool {
	all := map[Target]bool{}
	for _, r := range p.Rounds {
		for _, s := range r.Steps {
			all[s.Op.Target()] = true
			if s.Back.Op != nil {
				all[s.Back.Op.Target()] = true
			}
		}
	}
	return all
}

// of are the facts of some targets.
func of(some map[Target]bool, seen []HostFacts) []HostFacts {
	return slices.DeleteFunc(slices.Clone(seen), func(h HostFacts) bool { return !some[h.Target] })
}

// reasoned are the secrets whose plan has another reason now.
func reasoned(then, now []Change) (all []string) {
	for _, c := range now {
		i := slices.IndexFunc(then, func(o Change) bool { return o.Secret == c.Secret })
		if i >= 0 && (then[i].Reason != c.Reason || then[i].Status != c.Status) {
			why := c.Reason
			if j := slices.IndexFunc(c.Findings, func(f Finding) bool { return f.Severity == Error }); j >= 0 { // what is to be done is as it was
				f := c.Findings[j]
				const most = 3
				if why = f.Text + " [" + string(f.Code) + "]"; len(f.Hosts) > 0 {
					why += ", on " + strings.Join(f.Hosts[:min(len(f.Hosts), most)], ", ")
				}
				if more := len(f.Hosts) - most; more > 0 {
					why += fmt.Sprintf(" and %d more", more)
				}
			}
			all = append(all, fmt.Sprintf("%s: it was %s (%s), and is %s (%s)", c.Title, then[i].Status, then[i].Reason, c.Status, why))
		}
	}
	return all
}

// unread are the warnings about what is rotated now that a reader of then has not read, each with the hosts that are new in it. Their
// words do not count: they may tell minutes. A secret that a guard refuses stops the run by itself.
func unread(then, now []Change) []string {
	return warnings(then, now, "%s has a warning that it did not have: %s [%s]")
}

// over are the warnings that the saved plan has and that are no longer true: where the steps differ that may be why.
func over(then, now []Change) []string {
	return warnings(now, then, "%s had a warning that is no longer true: %s [%s]")
}

// warnings are those of changes that rotate which others do not have, told by a format.
func warnings(others, of []Change, format string) (all []string) {
	type about struct{ secret, code, host string }
	places := func(f Finding) []string {
		if len(f.Hosts) == 0 {
			return []string{""}
		}
		return f.Hosts
	}
	known := map[about]bool{}
	for _, c := range others {
		for _, f := range c.Findings {
			for _, h := range places(f) {
				known[about{c.Secret.Name, string(f.Code), h}] = true
			}
		}
	}
	for _, c := range of {
		for _, f := range c.Findings {
			f.Hosts = slices.DeleteFunc(slices.Clone(places(f)), func(h string) bool { return known[about{c.Secret.Name, string(f.Code), h}] })
			if c.Status == Rotate && f.Severity == Warning && len(f.Hosts) > 0 {
				text := f.Said()
				if only := f.Hosts[0]; len(f.Hosts) == 1 && !strings.Contains(text, only) {
					text += " (on " + only + ")"
				}
				all = append(all, fmt.Sprintf(format, c.Title, text, f.Code))
			}
		}
	}
	return all
}

// intact says that a saved plan is the one that its digest was made of: what somebody read there is what will be done.
func (s *Saved) intact(plan []byte) error {
	var raw struct{ Rounds json.RawMessage }
	if err := json.Unmarshal(plan, &raw); err != nil {
		return err
	}
	s.rounds = raw.Rounds
	digest, err := bound{s.Format, s.Deployment, s.Spec, raw.Rounds, of(s.touched, s.Seen)}.digest()
	if err == nil && digest != s.Digest {
		err = errors.New("its digest differs")
	}
	return err
}

// Agrees says that the plan is of this document, before anybody is contacted: who else would be, with which credential, was in no plan.
// Doubts are what the document says, and is not in force.
func (s *Saved) Agrees(d *specs.Deployment, rotations []Rotation, doubts []Finding) error {
	spec, err := SpecOf(d)
	if err != nil || spec == s.Spec || d.Name != s.Deployment {
		return err
	}
	now := &Plan{Trust: d.Origin.Trust, Commit: d.Origin.Commit, Fleet: doubts}
	titles := map[string]string{}
	for _, c := range s.Changes {
		titles[c.Secret.Name] = c.Title
	}
	for _, r := range rotations {
		now.Changes = append(now.Changes, Change{Secret: r.Ref(), Title: cmp.Or(titles[r.Ref().Name], r.Ref().Name)})
	}
	return Hinted(fmt.Errorf("%w; nothing was contacted or changed", s.otherDocument(now)), planAgain)
}

// planAgain is what to do about a saved plan that is not to be applied.
const planAgain = "run `meshrotate plan --out plan.json` again, have it reviewed, and apply that"

// otherDocument says why another document is in force: it was changed, or what it is held against was, and by what a reader knows that.
func (s *Saved) otherDocument(now *Plan) error {
	if s.Trust == now.Trust {
		return s.otherVersions(now, fmt.Errorf("the document has changed since the plan was saved (plan: %s, now: %s), or a file that it names has", commitOf(s.Commit), commitOf(now.Commit)))
	}
	err := s.otherVersions(now, fmt.Errorf("another document is in force than when the plan was saved: it, or a file that it names, has changed (plan: %s, now: %s), or what it is held against has (plan: %s, now: %s)",
		commitOf(s.Commit), commitOf(now.Commit), orNone(s.Trust), orNone(now.Trust)))
	for _, f := range s.Fleet {
		still := slices.ContainsFunc(now.Fleet, func(n Finding) bool { return n.Code == f.Code && n.Text == f.Text })
		if strings.HasPrefix(string(f.Code), "trust-") && !still {
			err = fmt.Errorf("%w\n       no longer so: %s", err, f.Text)
		}
	}
	return err
}

// otherVersions adds which secrets are declared with another version than then.
func (s *Saved) otherVersions(now *Plan, err error) error {
	then := map[string]string{}
	for _, c := range s.Changes {
		then[c.Secret.Name] = c.Secret.Version
	}
	for _, c := range now.Changes {
		was, declared := then[c.Secret.Name]
		delete(then, c.Secret.Name)
		switch {
		case !declared:
			err = fmt.Errorf("%w\n       %s was not in it", err, c.Title)
		case was != c.Secret.Version:
			err = fmt.Errorf("%w\n       %s was %s, is now %s", err, c.Title, orNone(was), orNone(c.Secret.Version))
		}
	}
	for _, c := range s.Changes {
		if _, gone := then[c.Secret.Name]; gone {
			err = fmt.Errorf("%w\n       %s is no longer in it", err, c.Title)
		}
	}
	return err
}

// commitOf names a document's commit.
func commitOf(hash string) string {
	if hash == "" {
		return "in no commit"
	}
	return fmt.Sprintf("commit %.8s", hash)
}
