package winrm

import (
	"strings"
	"testing"
)

const head = `<s:Envelope xmlns:s="` + nsSOAP + `" xmlns:a="` + nsAddressing + `" xmlns:w="` + nsManagement + `" xmlns:x="` + nsTransfer + `" xmlns:rsp="` + nsShell + `">`

// received is an answer to Receive with body in it.
func received(body string) string {
	return head + `<s:Header><a:Action>` + opReceive.answer + `</a:Action><a:RelatesTo>uuid:1</a:RelatesTo></s:Header><s:Body><rsp:ReceiveResponse>` +
		body + `</rsp:ReceiveResponse></s:Body></s:Envelope>`
}

// TestReplies has forms that Windows, or a server like it, may choose.
func TestReplies(t *testing.T) {
	done := `<rsp:CommandState CommandId="C" State="` + stateDone + `"><rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState>`
	for _, c := range []struct{ name, text, out, reason string }{
		{"plain", received(`<rsp:Stream Name="stdout" CommandId="C">YQ==</rsp:Stream>` + done), "a", "as Windows writes it"},
		{"several", received(`<rsp:Stream Name="stdout" CommandId="C">YQ==</rsp:Stream><rsp:Stream Name="stdout" CommandId="C">YmM=</rsp:Stream>` + done), "abc", "each has padding of its own"},
		{"empty element", received(`<rsp:Stream Name="stdout" CommandId="C" End="true"/>` + done), "", "the end of a stream"},
		{"end and text", received(`<rsp:Stream Name="stdout" CommandId="C" End="true">YQ==</rsp:Stream>` + done), "a", "the end may come with data"},
		{"other prefixes", strings.NewReplacer("<s:", "<soap:", "</s:", "</soap:", "xmlns:s=", "xmlns:soap=", "<rsp:", "<r:", "</rsp:", "</r:", "xmlns:rsp=", "xmlns:r=").Replace(received(`<rsp:Stream Name="stdout" CommandId="C">YQ==</rsp:Stream>` + done)), "a", "prefixes mean nothing"},
		{"default namespace", received(`<Stream xmlns="` + nsShell + `" Name="stdout" CommandId="C">YQ==</Stream>` + done), "a", "nor does their absence"},
		{"declaration, mark, lines", "\ufeff<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n" + received("\r\n"+`<rsp:Stream Name='stdout' CommandId="C">`+"\r\nYQ==\r\n"+`</rsp:Stream><!-- x -->`+done) + "\r\n", "a", "allowed by XML"},
		{"escaped", received(`<rsp:Stream Name="std&#111;ut" CommandId="C">&#x59;Q==</rsp:Stream>` + done), "a", "allowed by XML"},
		{"character data section", received(`<rsp:Stream Name="stdout" CommandId="C"><![CDATA[YQ]]>==</rsp:Stream>` + done), "a", "allowed by XML"},
		{"id in lower case", received(`<rsp:Stream Name="stdout" CommandId="c">YQ==</rsp:Stream>` + done), "a", "GUIDs have no case"},
		{"unknown elements", received(`<rsp:Other><rsp:Deep/>x</rsp:Other><rsp:Stream Name="stdout" CommandId="C">YQ==</rsp:Stream>` + done), "a", "newer servers say more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := parseReply([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.answers(opReceive, "uuid:1"); err != nil {
				t.Fatal(err)
			}
			out, err := r.output("C")
			if err != nil || string(out.Stdout) != c.out || !out.Done {
				t.Errorf("got %+v, %v: %s", out, err, c.reason)
			}
		})
	}
}

func TestRefusedReplies(t *testing.T) {
	good := received("")
	for name, text := range map[string]string{
		"nothing":             "",
		"no XML":              "hello",
		"text after it":       good + "x",
		"another after it":    good + good,
		"DTD":                 `<!DOCTYPE s [<!ENTITY x "y">]>` + good,
		"unknown entity":      received("&x;"),
		"no envelope":         `<a/>`,
		"wrong namespace":     strings.ReplaceAll(good, nsSOAP, nsSOAP+"x"),
		"unbound prefix":      received("<q:a/>"),
		"two bodies":          strings.Replace(good, "</s:Envelope>", "<s:Body/></s:Envelope>", 1),
		"no header":           head + `<s:Body/></s:Envelope>`,
		"crossed tags":        received("<rsp:a><rsp:b></rsp:a></rsp:b>"),
		"attribute twice":     received(`<rsp:Stream Name="stdout" Name="stderr"/>`),
		"control character":   received("\x01"),
		"not UTF-8":           received("\xff"),
		"UTF-16":              `<?xml version="1.0" encoding="UTF-16"?>` + good,
		"too deep":            received(strings.Repeat("<rsp:a>", 100) + strings.Repeat("</rsp:a>", 100)),
		"two states":          received(`<rsp:CommandState/><rsp:CommandState State="x"/><rsp:CommandState State="y"/>`),
		"element in a stream": received(`<rsp:Stream><rsp:a/></rsp:Stream>`),
		"RelatesTo twice":     strings.Replace(good, "</s:Header>", "<a:RelatesTo>uuid:2</a:RelatesTo></s:Header>", 1),
		"half a comment":      received("<!-- -- -->"),
		"unclosed":            good[:len(good)-1],
	} {
		t.Run(name, func(t *testing.T) {
			r, err := parseReply([]byte(text))
			if err == nil {
				t.Errorf("accepted as %+v", r)
			}
		})
	}
}

func TestCreateReply(t *testing.T) {
	selector := func(id string) string {
		return `<x:ResourceCreated><a:Address>http://h/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>u</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">` +
			id + `</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>`
	}
	body := func(s string) string {
		return head + `<s:Header><a:Action>` + opCreate.answer + `</a:Action><a:RelatesTo>uuid:1</a:RelatesTo></s:Header><s:Body>` + s + `</s:Body></s:Envelope>`
	}
	for _, c := range []struct{ name, body, want string }{
		{"both", selector("S") + `<rsp:Shell><rsp:ShellId>S</rsp:ShellId></rsp:Shell>`, "S"},
		{"the selector only, as old servers write it", selector("S"), "S"},
		{"a contradiction", selector("S") + `<rsp:Shell><rsp:ShellId>T</rsp:ShellId></rsp:Shell>`, ""},
		{"none", `<rsp:Shell/>`, ""},
	} {
		r, err := parseReply([]byte(body(c.body)))
		if err == nil {
			err = r.answers(opCreate, "uuid:1")
		}
		if (err == nil) != (c.want != "") || err == nil && r.shell != c.want {
			t.Errorf("%s: got %q, %v", c.name, r.shell, err)
		}
	}
}

func TestMalformedSealed(t *testing.T) {
	part := "\x10\x00\x00\x00\x01\x00\x00\x00abcdefgh\x00\x00\x00\x00xyz"
	for name, body := range map[string]string{
		"nothing":              "",
		"no end":               sealHead + "UTF-8;Length=3" + sealMiddle + part,
		"wrong length":         sealHead + "UTF-8;Length=4" + sealMiddle + part + sealEnd,
		"no length":            sealHead + "UTF-8" + sealMiddle + part + sealEnd,
		"UTF-16":               sealHead + "UTF-16;Length=3" + sealMiddle + part + sealEnd,
		"long signature":       sealHead + "UTF-8;Length=3" + sealMiddle + "\x11" + part[1:] + sealEnd,
		"short":                sealHead + "UTF-8;Length=0" + sealMiddle + part[:10] + sealEnd,
		"signature of no kind": sealHead + "UTF-8;Length=3" + sealMiddle + part[:4] + "\x02" + part[5:] + sealEnd,
		"lower case":           strings.Replace(sealHead, "Original", "original", 1) + "UTF-8;Length=3" + sealMiddle + part + sealEnd,
	} {
		if _, _, err := decodeSealed([]byte(body)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
