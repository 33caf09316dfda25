package state

import (
	"slices"
	"strconv"
	"strings"
)

// Begun are the versions of rotations that were begun after the last one that was proven and are not at an end, the latest
// first: what they did may be there still, whatever is declared now.
func (h History) Begun(secret string) []string {
	var versions []string
	r := h.secrets[secret]
	if r == nil {
		return nil
	}
	for _, e := range slices.Backward(r.whole) {
		if e.Outcome == Proven {
			break
		}
		if _, open := r.open[e.Version]; open && !slices.Contains(versions, e.Version) {
			versions = append(versions, e.Version)
		}
	}
	return versions
}

// MayHave is another version than the declared one that a run began to give to a host by a step, and whose rotation is not at an end:
// the host may have it, whatever is declared now. What was begun before a later rotation, and what of it, is not kept: then it may too.
func (h History) MayHave(secret, declared, step, host string) (version string, ok bool) {
	r := h.secrets[secret]
	for _, v := range h.Begun(secret) {
		switch {
		case v == declared:
		case r.lastBegun() != v:
			return v, true
		case r.steps[v] == nil: // it was cut off before its first step
		default:
			if latest := r.steps[v].latest(step, host); latest.Entry != nil && latest.Outcome != Failed {
				return v, true
			}
		}
	}
	return "", false
}

// lastBegun is the version of the rotation that was begun last.
func (r *record) lastBegun() (version string) {
	for _, e := range r.whole {
		if e.Outcome == Started {
			version = e.Version
		}
	}
	return version
}

// Unfinished is Pending where no other version was proven since: else what was live before it is no longer what is live now.
func (h History) Unfinished(secret, version string) (Entry, bool) {
	e, ok := h.Pending(secret, version)
	return e, ok && slices.Contains(h.Begun(secret), version)
}

// MayBeLive says that a version is in use, or may be: it was proven last, or a rotation to it that is not at an end has begun to give it
// out. One that an emergency began gives out what nobody else knows, until it is proven.
func (h History) MayBeLive(secret, version string) bool {
	if last, proven := h.LastProven(secret); proven && last.Version == version {
		return true
	}
	return h.Emergency(secret) != version && h.GivenOut(secret, version)
}

// Fresh says that nobody can know a version: no run has given it out, be it that it was taken back, but for an emergency that
// is not over, which goes on with it.
func (h History) Fresh(secret, version string) bool {
	if last, _ := h.LastProven(secret); h.Emergency(secret) == version && last.Version != version {
		return true
	}
	ended := slices.ContainsFunc(h.whole(secret), func(e Entry) bool { return e.Version == version && e.Outcome != Started })
	return !ended && !h.GivenOut(secret, version)
}

// Unused is the first number above a version that no rotation of the secret has had: what was given out once, others may know.
func (h History) Unused(secret string, version uint64) uint64 {
	for {
		version++
		text := strconv.FormatUint(version, 10)
		if !slices.ContainsFunc(h.whole(secret), func(e Entry) bool { return e.Version == text }) {
			return version
		}
	}
}

// GivenOut says that a rotation to a version that is not at an end has done more than prepare it, or may have.
func (h History) GivenOut(secret, version string) bool {
	if _, pending := h.Pending(secret, version); !pending {
		return false
	}
	of := h.secrets[secret].steps[version]
	if of == nil {
		// What an earlier rotation did is not kept; nor is what a run had done before another one that went back to it.
		return h.secrets[secret].lastBegun() != version || slices.ContainsFunc(h.whole(secret), func(e Entry) bool { return e.Version == version && e.Outcome == Back })
	}
	for step := range of.names {
		if !strings.HasPrefix(step, "prepare/") && !strings.HasPrefix(step, back+"prepare/") {
			return true
		}
	}
	return false
}
