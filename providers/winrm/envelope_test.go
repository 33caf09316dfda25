package winrm

import (
	"strings"
	"testing"
)

func TestEnvelopes(t *testing.T) {
	all, err := templates()
	if err != nil || len(all) != 6 {
		t.Fatal(len(all), err)
	}
	v := values{to: "http://h/wsman?a&b", timeout: "PT60S", idle: "PT180S", messageID: "uuid:1", shell: "S", command: "C<", line: "echo <&>", envelope: 512000, data: []byte("data")}
	for _, c := range []struct {
		shape shape
		has   []string
	}{
		{shapeCreate, []string{`Name="WINRS_NOPROFILE">TRUE<`, `Name="WINRS_CODEPAGE">65001<`, `<rsp:IdleTimeOut>PT180S</rsp:IdleTimeOut>`, `<rsp:InputStreams>stdin<`, `<rsp:OutputStreams>stdout stderr<`}},
		{shapeCommand, []string{`Name="WINRS_CONSOLEMODE_STDIN">FALSE<`, `Name="WINRS_SKIP_CMD_SHELL">FALSE<`, `<rsp:Command>echo &lt;&amp;&gt;</rsp:Command>`, `<w:Selector Name="ShellId">S<`}},
		{shapeSend, []string{`Name="stdin" CommandId="C&lt;">ZGF0YQ==<`}},
		{shapeSendEnd, []string{`Name="stdin" CommandId="C&lt;" End="true">ZGF0YQ==<`}},
		{shapeReceive, []string{`CommandId="C&lt;">stdout stderr<`}},
		{shapeDelete, []string{`<w:Selector Name="ShellId">S<`, `<env:Body/>`}},
	} {
		b, err := c.shape.render(v)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		for _, want := range append(c.has, `<a:To>http://h/wsman?a&amp;b<`, `>512000</w:MaxEnvelopeSize>`, `>PT60S</w:OperationTimeout>`, `<a:MessageID>uuid:1<`) {
			if !strings.Contains(text, want) {
				t.Errorf("shape %d lacks %s:\n%s", c.shape, want, text)
			}
		}
		if strings.Contains(text, "{{") || strings.Contains(text, " mustUnderstand") {
			t.Errorf("shape %d: %s", c.shape, text)
		}
		if _, err := referenceShape(b); err != nil {
			t.Errorf("shape %d: %v", c.shape, err)
		}
		if len(b)-len(v.data) > envelopeOverhead-200 {
			t.Errorf("shape %d: %d bytes beside its data", c.shape, len(b))
		}
	}
}
