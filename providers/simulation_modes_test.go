package providers_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"

	"meshrotate/providers/lab"
)

// firstWithModes is the first seed whose schedule may change the mode of the SQL login: those before stay what they were.
const firstWithModes = 50_000_000

// drawModes lets a commit change how the SQL login is rotated, from one login to a pair or from a pair to one, before some runs; with
// numbers of its own.
func drawModes(s *schedule) {
	r := rand.New(rand.NewPCG(s.Seed, 14))
	if s.Seed < firstWithModes || s.Login != "single" && s.Login != "alternating" || r.IntN(2) != 0 {
		return
	}
	changed := false
	for i := range s.Runs[1:] {
		if r.IntN(2) == 0 {
			s.Runs[i+1].Mode, changed = pick(r, "next", "next", "same"), true
		}
	}
	if changed {
		return
	}
	e := episode{Wait: r.IntN(3) * r.IntN(400), Unlock: r.IntN(2) == 0, Mode: pick(r, "next", "next", "same")}
	for range few(r, 4) {
		e.Faults = append(e.Faults, drawSQLFault(r, s.Replicas), drawFault(r, s.Relays))
	}
	s.Runs = append(s.Runs, e)
}

// loginWay is what a document says of how the login is rotated.
var loginWay = regexp.MustCompile(`    mode: (single|alternating)\n    logins?: .*\n`)

// commitMode changes the mode: of a pair the login stays that Admin's file names. The version is another one, unless it is to be the same.
func (u *universe) commitMode(which string) {
	if u.login.mode != "single" && u.login.mode != "alternating" {
		return
	}
	way := fmt.Sprintf("    mode: alternating\n    logins: [%s, %s]\n", lab.SQLLogin, lab.SQLSpare)
	if u.login.mode == "alternating" {
		login, _ := u.loginOf(u.w.lab.Admin)
		way, u.login.single = "    mode: single\n    login: "+login+"\n", true
	}
	u.login.mode = loginWay.FindStringSubmatch(way)[1]
	u.text = loginWay.ReplaceAllString(u.text, way)
	var e episode
	if which == "next" {
		version, err := strconv.Atoi(u.login.want)
		if err != nil {
			u.t.Fatal(err)
		}
		e.Login = strconv.Itoa(max(version, u.login.most) + 1)
	}
	u.scheduler.Note("commit: SQL login in mode %s, version %s", u.login.mode, cmp.Or(e.Login, u.login.want))
	u.commit(e)
}
