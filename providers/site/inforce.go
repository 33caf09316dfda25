package site

import (
	"fmt"
	"slices"

	"meshrotate/reconciler"
)

// InForce objects to a settings file that does not say what its service reads.
func (s *SettingSeen) InForce(host string) []reconciler.Finding {
	var all []reconciler.Finding
	for i, o := range s.Overrides {
		mend := "remove the override and plan again"
		if i < len(s.Mends) {
			mend = s.Mends[i]
		}
		all = append(all, reconciler.Finding{Severity: reconciler.Error, Code: "setting-overridden", Hosts: []string{host},
			Text: fmt.Sprintf("%s: %s is overridden by %s: an edit of %s would change nothing, or break at the next restart", host, s.Key, o, s.Path),
			Hint: mend})
	}
	for _, d := range s.Doubts {
		all = append(all, reconciler.Finding{Severity: reconciler.Warning, Code: "setting-doubtful", Hosts: []string{host},
			Text: fmt.Sprintf("%s: %s", host, d), Hint: "look at it before the rotation: it may not be what the service reads"})
	}
	return all
}

// EnvironmentsChanged warns of hosts whose services may still see a variable that was removed, all of them at once: what else
// was changed in their environment does no harm. Seen is by host.
func EnvironmentsChanged(seen map[string]*SettingSeen) []reconciler.Finding {
	var hosts []string
	key := ""
	for host, s := range seen {
		if s.EnvironmentChanged && len(s.Overrides) == 0 {
			hosts, key = append(hosts, host), s.Key
		}
	}
	if len(hosts) == 0 {
		return nil
	}
	slices.Sort(hosts)
	where := "on " + hosts[0]
	if len(hosts) > 1 {
		where = fmt.Sprintf("on %d hosts", len(hosts))
	}
	return []reconciler.Finding{{Severity: reconciler.Warning, Code: "environment-changed", Hosts: hosts,
		Text: where + " the machine's environment was changed since the host started, and services see it as it was then",
		Hint: "if one for " + key + ", or one that names the environment or the content root, was removed or changed, restart the host before the rotation"}}
}
