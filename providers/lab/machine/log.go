package machine

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"meshrotate/providers/winhost"
)

const (
	logHead = 1024     // bytes that tell one log from another
	logMost = 16 << 20 // bytes that a match reads, from the mark on
)

// timestamp is how a log line may begin.
var timestamp = regexp.MustCompile(`^\[?([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?( ?(Z|[+-][0-9]{2}:?[0-9]{2}))?)`)

func logIdentity(content []byte, n int) string {
	return fmt.Sprintf("%d-%s", n, sum(content[:n]))
}

func (m *Machine) logMark(o *winhost.LogMark) winhost.Result {
	content, _, err := m.FS.Read(m.Expand(o.Path))
	if missing(err) {
		return winhost.Result{Code: winhost.OK, Log: &winhost.Log{}}
	}
	if err != nil {
		return failed(err, "cannot read the log")
	}
	return winhost.Result{Code: winhost.OK, Log: &winhost.Log{
		Exists: true, Identity: logIdentity(content, min(len(content), logHead)), Offset: int64(len(content)),
	}}
}

func (m *Machine) logMatch(o *winhost.LogMatch) winhost.Result {
	pattern, err := regexp.Compile(o.Pattern)
	if err != nil {
		return winhost.Result{Code: winhost.Failed, Message: "the pattern is not a regular expression"}
	}
	content, _, err := m.FS.Read(m.Expand(o.Path))
	if missing(err) {
		return winhost.Result{Code: winhost.OK, Log: &winhost.Log{Rotated: o.Identity != ""}}
	}
	if err != nil {
		return failed(err, "cannot read the log")
	}
	l := &winhost.Log{Exists: true, Identity: logIdentity(content, min(len(content), logHead)), Offset: int64(len(content))}
	from := o.Offset
	if o.Identity != "" {
		n, _ := strconv.Atoi(strings.SplitN(o.Identity, "-", 2)[0])
		l.Rotated = o.Offset > int64(len(content)) || n > len(content) || logIdentity(content, n) != o.Identity
	}
	if l.Rotated || o.Identity == "" {
		from = 0
	}
	rest := content[from:]
	for line := range strings.SplitSeq(string(rest[:min(len(rest), logMost)]), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if !pattern.MatchString(line) {
			continue
		}
		l.Matched, l.Time = true, ""
		if found := timestamp.FindStringSubmatch(line); found != nil {
			l.Time = found[1]
		}
	}
	return winhost.Result{Code: winhost.OK, Log: l}
}
