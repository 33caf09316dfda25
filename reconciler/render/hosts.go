package render

import (
	"fmt"
	"strconv"
	"strings"
)

// shown is how many hosts and ranges of hosts a list names before it counts.
const shown = 6

// hostList names hosts, those that follow each other as a range, as a document writes it: "relay-[001..040].example and
// relay-077.example". A list that is still too long ends with a number.
func hostList(hosts []string) string {
	ranges := rangesOf(hosts)
	if len(ranges) <= shown {
		var all []string
		for _, r := range ranges {
			all = append(all, r.String())
		}
		return enumerate(all)
	}
	var all []string
	rest := len(hosts)
	for _, r := range ranges[:shown-1] {
		all = append(all, r.String())
		rest -= r.size()
	}
	return strings.Join(all, ", ") + fmt.Sprintf(" and %d more", rest)
}

// hostRange is hosts whose names differ in a number that grows by one: prefix, number, suffix.
type hostRange struct {
	prefix, first, last, suffix string
}

func (r hostRange) String() string {
	if r.first == r.last {
		return r.prefix + r.first + r.suffix
	}
	return r.prefix + "[" + r.first + ".." + r.last + "]" + r.suffix
}

func (r hostRange) size() int {
	a, _ := strconv.Atoi(r.first)
	b, _ := strconv.Atoi(r.last)
	return b - a + 1
}

// rangesOf joins neighbours of a list, if they are three or more.
func rangesOf(hosts []string) []hostRange {
	var all []hostRange
	var run []hostRange
	end := func() {
		if len(run) < 3 {
			all = append(all, run...)
		} else {
			run[0].last = run[len(run)-1].first
			all = append(all, run[0])
		}
		run = run[:0]
	}
	for _, h := range hosts {
		next := numbered(h)
		if n := len(run); n > 0 && !run[n-1].goesOn(next) {
			end()
		}
		run = append(run, next)
	}
	end()
	return all
}

func (r hostRange) goesOn(next hostRange) bool {
	return r.first != "" && next.first != "" && r.prefix == next.prefix && r.suffix == next.suffix && next.first == after(r.last)
}

// after is the number that follows, with as many digits; "" when there is none.
func after(number string) string {
	n, err := strconv.Atoi(number)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%0*d", len(number), n+1)
}

// numbered cuts a name around the last number of its first label. A name without one is all prefix.
func numbered(host string) hostRange {
	label, _, _ := strings.Cut(host, ".")
	end := strings.LastIndexAny(label, "0123456789") + 1
	start := end
	for start > 0 && label[start-1] >= '0' && label[start-1] <= '9' {
		start--
	}
	if end == 0 || end-start > 9 {
		return hostRange{prefix: host}
	}
	return hostRange{host[:start], host[start:end], host[start:end], host[end:]}
}
