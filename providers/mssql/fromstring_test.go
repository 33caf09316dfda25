package mssql

import (
	"strings"
	"testing"

	"meshrotate/providers/mssql/connstring"
	"meshrotate/reconciler/secret"
)

func TestDataSource(t *testing.T) {
	for source, want := range map[string]struct {
		host, instance string
		port           uint16
	}{
		"sql01":                      {"sql01", "", 0},
		"sql01.example.test":         {"sql01.example.test", "", 0},
		"tcp:sql01,1433":             {"sql01", "", 1433},
		"TCP: sql01 , 14330":         {"sql01", "", 14330},
		`sql01\INST`:                 {"sql01", "INST", 0},
		`tcp:sql01\INST`:             {"sql01", "INST", 0},
		`sql01\INST,1433`:            {"sql01", "", 1433},
		`sql01\MSSQLSERVER`:          {"sql01", "", 0},
		".":                          {"admin01", "", 0},
		"(local)":                    {"admin01", "", 0},
		`(LOCAL)\SQLEXPRESS`:         {"admin01", "SQLEXPRESS", 0},
		"localhost,1433":             {"admin01", "", 1433},
		"127.0.0.1,1433":             {"admin01", "", 1433},
		"::1":                        {"admin01", "", 0},
		"[::1],1433":                 {"admin01", "", 1433},
		"tcp:[2001:db8::1],1433":     {"2001:db8::1", "", 1433},
		"tcp:2001:db8::1,1433":       {"2001:db8::1", "", 1433},
		"2001:db8::1":                {"2001:db8::1", "", 0},
		"10.0.0.5":                   {"10.0.0.5", "", 0},
		"söl01":                      {"söl01", "", 0},
		"sql01.database.windows.net": {"sql01.database.windows.net", "", 0},
	} {
		s, err := connstring.Parse(secret.NewString("Server=" + source + ";User ID=u;Password=p;Database=d"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := FromString(s, "admin01", Trust{})
		if err != nil || c.Host != want.host || c.Instance != want.instance || c.Port != want.port || c.User != "u" || c.Database != "d" || !c.Password.Equal(secret.NewString("p")) {
			t.Errorf("%s: %+v, %v", source, c, err)
		}
	}
}

func TestStringsThatCannotBeTried(t *testing.T) {
	const user = ";User ID=u;Password=CANARY;Database=d"
	for text, part := range map[string]string{
		"Server=np:sql01" + user:                                 "named pipes",
		`Server=np:\\sql01\pipe\sql\query` + user:                "named pipes",
		`Server=\\sql01\pipe\sql\query` + user:                   "instance",
		"Server=lpc:sql01" + user:                                "shared memory",
		"Server=admin:sql01" + user:                              "administrator connection",
		"Server=via:sql01" + user:                                "protocol",
		"Server=sql01:1433" + user:                               "after a comma",
		`Server=(localdb)\MSSQLLocalDB` + user:                   "LocalDB",
		"Server=sql01,0" + user:                                  "port",
		"Server=sql01,65536" + user:                              "port",
		"Server=sql01,abc" + user:                                "port",
		"Server=sql01," + user:                                   "port",
		"Server=sql01,1433,1434" + user:                          "port",
		`Server=sql01\` + user:                                   "instance",
		`Server=sql01\A\B` + user:                                "instance",
		`Server=\INST` + user:                                    "not a host",
		"Server=sql01/INST" + user:                               "not a host",
		"Server=sql 01" + user:                                   "not a host",
		"Server=|DataDirectory|" + user:                          "not a host",
		"Server=tcp:" + user:                                     "not a host",
		"Server=" + user:                                         "not a host",
		"Server=s;Trusted_Connection=yes" + user:                 "Integrated Security: Windows signs in",
		"Server=s;Integrated Security=SSPI":                      "Integrated Security: Windows signs in",
		"Server=s;ApplicationIntent=ReadOnly" + user:             "Application Intent",
		"Server=s;Failover Partner=s2" + user:                    "Failover Partner",
		`Server=s;AttachDbFilename=C:\a.mdf` + user:              "AttachDbFilename",
		"Server=s;User Instance=true" + user:                     "User Instance",
		"Server=s;Authentication=ActiveDirectoryPassword" + user: "Authentication",
		"Server=s;Database=d;Password=CANARY":                    "no login is named",
		"Server=s;Database=d;User ID=u":                          "no password is known",
		"Server=s;User ID=u;Password=\U0001F511CANARY":           "the password of \"u\": it has a character beyond U+FFFF",
		"Server=s;User ID=u;Password=CANARY;Database=\U0001F511": "beyond U+FFFF",
	} {
		s, err := connstring.Parse(secret.NewString(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, err = FromString(s, "admin01", Trust{}); err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", text, err)
		}
	}
	s, _ := connstring.Parse(secret.NewString("Server=." + user))
	if _, err := FromString(s, "", Trust{}); err == nil {
		t.Error("the string's own machine is not known, and was guessed")
	}
}

func TestWhatIsTakenOver(t *testing.T) {
	s, err := connstring.Parse(secret.NewString("Server=s;User ID=u;Password=p;Encrypt=Strict;MultiSubnetFailover=yes;Host Name In Certificate=cert;Trusted_Connection=no;" +
		"Application Intent=ReadWrite;Authentication=Sql Password;Trust Server Certificate=true;Pooling=false"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := FromString(s, "", Trust{})
	if err != nil || !c.Trust.Strict || !c.MultiSubnetFailover || c.Trust.ServerName != "cert" || c.Trust.Unverified {
		t.Errorf("%+v, %v", c, err)
	}
	own, err := FromString(s, "", Trust{ServerName: "own"})
	if err != nil || own.Trust.ServerName != "own" {
		t.Errorf("the string's name beat the operator's: %+v, %v", own, err)
	}
	weak, err := connstring.Parse(secret.NewString("Server=s;User ID=u;Password=p;Encrypt=false;TrustServerCertificate=true"))
	if err != nil {
		t.Fatal(err)
	}
	if c, err = FromString(weak, "", Trust{}); err != nil || c.Trust.Unverified {
		t.Errorf("the string weakened the connection: %+v, %v", c, err)
	}
}
