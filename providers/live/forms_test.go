package live

import (
	"fmt"
	"strings"
	"testing"

	"meshrotate/providers/site"
	"meshrotate/reconciler/secret"
)

func TestConnectionStringForm(t *testing.T) {
	text := `Server=sql01; database = Mesh;uid=im_a;PWD='old;canary';Encrypt=False;App=Über Mesh`
	form, err := formOf(site.Form{Kind: site.ConnectionString})
	if err != nil {
		t.Fatal(err)
	}
	part, content, err := form.read(secret.NewString(text), "im-admin")
	if err != nil || string(part.Expose()) != "old;canary" {
		t.Fatalf("%v", err)
	}
	if c := content.(site.Connection); c.User != "im_a" || c.Server != "sql01" || c.Database != "Mesh" || c.Encrypted || c.Integrated || c.Unfit != "" {
		t.Errorf("%+v", c)
	}
	if s := fmt.Sprintf("%+v", content); strings.Contains(s, "canary") {
		t.Error("the content shows the password")
	}
	next, err := form.write(secret.NewString(text), secret.NewString("New1"), site.Form{Kind: site.ConnectionString, User: "im_b"})
	if want := `Server=sql01; database = Mesh;uid=im_b;PWD=New1;Encrypt=False;App=Über Mesh`; err != nil || string(next.Expose()) != want {
		t.Errorf("%v: %s", err, next.Expose())
	}
	again, err := form.write(next, secret.NewString("New1"), site.Form{Kind: site.ConnectionString, User: "im_b"})
	if err != nil || !again.Equal(next) {
		t.Errorf("written again it is another: %v", err)
	}
}

// Windows signs in: there is no password, and none is put there. What nobody can sign in with from here says why.
func TestStringsThatAreNotRewritten(t *testing.T) {
	form := connectionString{}
	windows := secret.NewString("Server=a;Database=b;Integrated Security=true;Password=canary;User ID=x")
	part, content, err := form.read(windows, "h")
	if err != nil || part.Len() != 0 || !content.(site.Connection).Integrated {
		t.Errorf("%v: %+v", err, content)
	}
	if _, err := form.write(windows, secret.NewString("New1"), site.Form{}); err == nil {
		t.Error("a string without a login is made to have one")
	}
	for text, says := range map[string]string{"Server=a;Database=b;User ID=x;Password=y;ApplicationIntent=ReadOnly": "secondary", "Server=a;Failover Partner=b;User ID=x;Password=y;Database=c": "mirror"} {
		if _, content, err := form.read(secret.NewString(text), "h"); err != nil || !strings.Contains(content.(site.Connection).Unfit, says) {
			t.Errorf("%v: %+v", err, content)
		}
	}
	if _, _, err := form.read(secret.NewString("Server=a;Password='canary"), "h"); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
	if _, err := formOf(site.Form{Kind: "ini"}); err == nil {
		t.Error("an unknown form is known")
	}
}
