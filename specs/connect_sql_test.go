package specs_test

import (
	"testing"

	"meshrotate/specs"
)

func TestSQLHost(t *testing.T) {
	for _, c := range []struct {
		name, host, instance string
		port                 int
		ok                   bool
	}{
		{"sql01.contoso.example", "sql01.contoso.example", "", 0, true},
		{"sql01,1444", "sql01", "", 1444, true},
		{`sql01\PROD`, "sql01", "PROD", 0, true},
		{`sql01\PROD, 1444`, "sql01", "PROD", 1444, true},
		{"10.1.2.3", "10.1.2.3", "", 0, true},
		{"", "", "", 0, false},
		{"sql01,", "", "", 0, false},
		{"sql01,0", "", "", 0, false},
		{`sql01\`, "", "", 0, false},
		{"tcp:sql01", "", "", 0, false},
		{"sql01:1433", "", "", 0, false},
		{`sql01:1433\PROD`, "", "", 0, false},
		{"[::1]:1433", "", "", 0, false},
		{"*.contoso.example", "", "", 0, false},
		{"sql[01..02].contoso.example", "", "", 0, false},
		{"sql0?", "", "", 0, false},
		{"2001:db8::1", "2001:db8::1", "", 0, true},
	} {
		host, instance, port, err := specs.SQLHost(c.name)
		if (err == nil) != c.ok || host != c.host || instance != c.instance || port != c.port {
			t.Errorf("%q: %q %q %d, %v", c.name, host, instance, port, err)
		}
	}
}

func TestSQLAddress(t *testing.T) {
	q := specs.SQL{Addresses: map[string]string{"sql01.contoso.example": "127.0.0.1:5000", "sql02.contoso.example": "10.0.0.2"}}
	for from, to := range map[string]string{"SQL01.contoso.example:1433": "127.0.0.1:5000", "sql02.contoso.example:1444": "10.0.0.2:1444", "sql03:1433": "sql03:1433"} {
		if got := q.Address("tcp", from); got != to {
			t.Errorf("%s: %s instead of %s", from, got, to)
		}
	}
	for host, port := range map[string]uint16{"SQL01.contoso.example": 5000, "sql02.contoso.example": 0, "sql03.contoso.example": 0} {
		if got := q.Moved(host); got != port {
			t.Errorf("%s is moved to port %d", host, got)
		}
	}
	if got := q.Address("udp", "sql01.contoso.example:1434"); got != "127.0.0.1:1434" {
		t.Errorf("the browser is asked at %s", got)
	}
}
