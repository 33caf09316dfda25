package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// enumerate is "a", "a and b", "a, b and c".
func enumerate(all []string) string {
	n := len(all)
	if n < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:n-1], ", ") + " and " + all[n-1]
}

func number(n int) string { return strconv.Itoa(n) }

// count is "1 file", "2 files".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// seconds is a length of time as people say it: "4 ms", "0.4 s", "21 s", "3 min 10 s", "2 h 5 min".
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d > 0 && d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", max(1, d.Milliseconds()))
	case d < 10*time.Second:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", s), ".0") + " s"
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", s)
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
}

// second is a time to the second, always UTC.
func second(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// moment is a time as people and machines read it, always UTC.
func moment(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}

// days says how far away a day is: "in 41 days", "3 days ago", "today".
func days(t, now time.Time) string {
	switch n := reconciler.Days(t, now); {
	case n > 0:
		return "in " + count(n, "day")
	case n < 0:
		return count(-n, "day") + " ago"
	default:
		return "today"
	}
}

// versions is "6 → 7".
func versions(before, after string) string {
	switch before {
	case after:
		return after
	case "":
		return "? → " + after
	default:
		return before + " → " + after
	}
}

// commit is a hash as people write it.
func commit(hash string) string { return hash[:min(len(hash), 7)] }

// digest is a plan's digest as people write it.
func digest(d string) string { return d[:min(len(d), 8)] }

// predicted is "relays about 21 s, Admin about 9 s".
func predicted(all []state.Outage) string {
	var parts []string
	for _, o := range all {
		parts = append(parts, o.What+" about "+seconds(o.Predicted))
	}
	return strings.Join(parts, ", ")
}
