package labcli_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/values"
)

// TestLostIdentity is the day after the age identity was lost: what it sealed is forgotten, what is live is adopted, and no service
// notices.
func TestLostIdentity(t *testing.T) {
	t.Parallel()
	w, _ := startHere(t, lab.Config{Relays: 1})
	w.run(0, "apply", "--yes")
	w.run(0, "values").says(t, "relaykey 7, declared", "opens")
	identity, _, err := values.NewIdentity()
	must(t, err)
	w.env = slices.DeleteFunc(w.env, func(e string) bool { return strings.HasPrefix(e, values.DefaultIdentity+"=") })
	w.run(1, "values", "forget", "--yes").says(t, values.DefaultIdentity, "is not set")
	w.env = append(w.env, values.DefaultIdentity+"="+strings.TrimSpace(string(identity.Expose())))
	planned := w.run(1, "plan")
	planned.says(t, "cannot be opened with this age identity", "meshrotate values forget", "[value-unavailable]")
	if said := planned.out + planned.err; strings.Contains(said, "could not be looked at") || strings.Contains(said, "look: failed") {
		t.Errorf("the hosts are blamed for the identity: %s", said)
	}
	w.rewrite("version: 7", "version: 8") // of which nothing is kept
	w.run(1, "plan").says(t, "what is live cannot be compared with what is kept", "[value-unavailable]")
	w.rewrite("version: 8", "version: 7")
	w.run(1, "values").says(t, "cannot be opened with this age identity", "4 of 4 kept values do not open", "meshrotate values forget")
	w.run(1, "values", "forget").says(t, "relaykey 6", "relaykey 7, declared", "a version gets no second value", "there is nobody to ask", "--yes")
	refused := w.run(1, "adopt", "relaykey")
	refused.says(t, "cannot be opened", "meshrotate values forget")
	if said := refused.out + refused.err; strings.Contains(said, "bring it back; or name it") || strings.Contains(said, `\n`) {
		t.Errorf("what is said of a host that answers: %s", said)
	}
	w.run(1, "values", "forget", "relaykey", "5").says(t, "no value of relaykey 5 is kept")
	w.run(0, "values", "forget", "--yes").says(t, "4 kept values forgotten", "meshrotate adopt")
	w.run(0, "history").says(t, "relaykey 7 the kept value was taken away", "cannot be opened")
	w.run(0, "history", "--secret", "license", "-o", "markdown").says(t, "the kept value `license", "was taken away by")
	w.run(0, "values").says(t, "nothing is kept")
	w.run(1, "plan").says(t, "[state-value-lost]", "meshrotate adopt")
	w.run(1, "adopt").says(t, "which secret?", "relaykey")
	w.run(1, "adopt", "relaykeyy").says(t, "did you mean relaykey?")
	w.run(0, "adopt", "relayKey").says(t, "relaykey 7 is adopted", "Nothing on a host was changed")
	w.run(0, "adopt", "license").says(t, "license 2026-11 is adopted")
	w.run(0, "plan").says(t, "nothing to do")
	w.run(0, "drift")
	w.run(0, "values").says(t, "relaykey 7, declared", "opens")
	w.run(0, "history", "--secret", "relaykey").says(t, "adopted: the live value")
	w.rewrite("version: 7", "version: 8")
	w.run(0, "apply", "--yes").says(t, "1 secret rotated and proven")
}

// TestAdoptOfWhatOthersKnow: an emergency that was put back leaves a value live that others know. Adopted, it would be one that nobody
// knows.
func TestAdoptOfWhatOthersKnow(t *testing.T) {
	t.Parallel()
	w, _ := startHere(t, lab.Config{Relays: 1})
	r := w.start("rotate", "--compromised", "relaykey", "--yes", "leaky")
	r.reaches("prepare: began")
	r.signal(os.Interrupt)
	r.wait()
	w.rewrite("version: 7\n", "version: 9\n")
	w.run(1, "adopt", "relaykey").says(t, "others know the live value of relaykey (leaky)", `meshrotate rotate --compromised relaykey "leaky"`)
	w.run(2, "drift", "--only", "relaykey").says(t, "secret-compromised")
	w.run(0, "rotate", "--compromised", "relaykey", "--yes", "leaky")
	w.run(1, "adopt", "relaykey").says(t, "nothing to adopt")
}
