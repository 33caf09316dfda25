package appsettings

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf16"
)

// generate makes a settings file of the kind that people and tools leave behind: mostly readable, often odd, sometimes
// broken. It holds Relay:ApiKey in some spelling more often than not.
func generate(r *rand.Rand) []byte {
	g := &generator{r: r}
	g.blank()
	g.object(1, true)
	g.blank()
	file := g.Bytes()
	if g.one(4) {
		file = g.damage(file)
	}
	return g.encoded(file)
}

type generator struct {
	bytes.Buffer
	r *rand.Rand
}

func (g *generator) one(in int) bool          { return g.r.IntN(in) == 0 }
func (g *generator) pick(of ...string) string { return of[g.r.IntN(len(of))] }

func (g *generator) blank() {
	for g.one(2) {
		g.WriteString(g.pick(" ", "  ", "\n", "\r\n", "\t", "\r"))
	}
	if g.one(8) {
		g.WriteString(g.pick("/**/", "/* \"Relay\": { */", "// x\n", "//\r", "// \"ApiKey\": \"old\",\r\n", "/***/", "/*\u2028*/", "//\u0085\n", "//\n//\n"))
	}
	if g.one(300) { // longer than a reader's buffers
		fmt.Fprintf(g, "/*%s*/", strings.Repeat(g.pick(" ", "é", "🔑", "\xe9"), g.r.IntN(6000)))
	}
	if g.one(400) {
		g.WriteString(g.pick("//\u2028\n", "/*", "/*/", "/", "#x\n", "\u00a0", "\ufeff", "\x00", "// \xe2\x80\n", "//"))
	}
}

func (g *generator) object(depth int, root bool) {
	g.WriteByte('{')
	n := g.r.IntN(5)
	for i := 0; i < n; i++ {
		g.blank()
		if i == 0 && root && !g.one(4) {
			g.relay()
		} else {
			g.name(g.pick("", "", strconv.Itoa(g.r.IntN(100))) + g.pick("a", "b", "c", "A", "B", "a:b", "B:C", "0", "1", "", ":", "é", "É", "ſ", "s", "k", "K", "url", "relay", "Relay:url", "\xe9", "ı", "c:", "a::b", "x", "y", "z", "Logging", "LogLevel"))
			g.blank()
			g.value(depth)
		}
		g.blank()
		g.comma(i == n-1)
	}
	g.blank()
	g.WriteByte('}')
}

// relay writes the key that the test edits, nested or flat.
func (g *generator) relay() {
	if g.one(3) {
		g.name(g.pick("Relay:ApiKey", "RELAY:apikey", "Relay\\u003aApiKey"))
		g.blank()
		g.value(60)
		return
	}
	g.name(g.pick("Relay", "relay", "R\\u0065lay"))
	g.blank()
	g.WriteByte('{')
	if g.one(3) {
		g.blank()
		g.name("Url")
		g.value(2)
		g.comma(false)
	}
	g.blank()
	g.name(g.pick("ApiKey", "ApiKey", "APIKEY", "Api\\u004bey"))
	g.blank()
	g.value(60)
	g.blank()
	g.comma(true)
	g.blank()
	g.WriteByte('}')
}

// comma is mostly where it belongs, and often also after the last item.
func (g *generator) comma(last bool) {
	if last && g.one(5) || !last && !g.one(200) {
		g.WriteByte(',')
	}
}

func (g *generator) name(name string) {
	fmt.Fprintf(g, `"%s"`, name)
	g.WriteString(g.pick(":", ":", " :", "\t:\r\n", ": "))
	if g.one(300) {
		g.WriteString(g.pick(":", "/**/:", "="))
	}
}

func (g *generator) value(depth int) {
	switch g.r.IntN(14) {
	case 0:
		g.WriteString(g.pick("true", "false", "null"))
	case 1, 2:
		g.WriteString(g.pick("0", "-0", "1", "42", "1.50", "-7e5", "1E+5", "0.1e-3", "12345678901234567890123"))
	case 3:
		if depth < 66 {
			g.object(depth+1, false)
		}
	case 4:
		g.array(depth + 1)
	case 5:
		g.deep()
	case 6:
		if g.one(12) {
			g.WriteString(g.pick("01", "1.", "-", "+1", ".5", "1e", "nul", "True", "tru", "'x'", "undefined", "NaN", "0x1", "1/", "[,]", "{,}", "", "/"))
			return
		}
		fallthrough
	default:
		g.text()
	}
}

func (g *generator) array(depth int) {
	g.WriteByte('[')
	n := g.r.IntN(3)
	for i := 0; i < n; i++ {
		g.blank()
		g.value(depth)
		g.blank()
		g.comma(i == n-1)
	}
	g.WriteByte(']')
}

// deep writes a nest about as deep as .NET allows.
func (g *generator) deep() {
	n := g.r.IntN(3)
	if g.one(20) {
		n = 60 + g.r.IntN(5)
	}
	for range n {
		g.WriteString(`{"d":`)
	}
	g.WriteString(g.pick("1", "[]", "{}", `""`))
	g.WriteString(strings.Repeat("}", n))
}

func (g *generator) text() {
	g.WriteByte('"')
	for !g.one(3) {
		g.WriteString(g.pick("AAECAwQ+/w==", "x", " ", "//", "/*", "*/", ",", "}", "]", ":", `\"`, `\\`, `\/`, `\n`, `\b\f\r\t`, `\u0041`, `\u00e9`, `\u00E9`,
			`\u0000`, `\ud83d\udd11`, `\uFEFF`, "é", "🔑", "\u2028", "\ufeff", "\x7f", "\ufffd", "\U0010ffff"))
		if g.one(60) {
			g.WriteString(g.pick("\xe9", "\xc0\xaf", "\xed\xa0\x80", "\xf0\x9f\x94", "\xf0\x9f", "\xf5\x80\x80\x80", "\xe2\x80", "\xff", "\x80\xbf", "\xf4\x90\x80\x80", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xef\xbb"))
		}
		if g.one(300) {
			g.WriteString(g.pick(`\ud83d`, `\udd11`, `\ud83d\u0041`, `\x`, `\u12`, `\U0041`, "\n", "\t", "\x00", "\x01", `\`, `\ud83dx`, `\ud83d\ud83d\udd11`))
		}
	}
	g.WriteByte('"')
}

// damage does what a bad copy or a hasty edit does.
func (g *generator) damage(file []byte) []byte {
	at := g.r.IntN(len(file) + 1)
	end := min(len(file), at+1+g.r.IntN(3))
	switch g.r.IntN(6) {
	case 0:
		return file[:at]
	case 1:
		return append(file[:at:at], file[end:]...)
	case 2:
		return append(file[:end:end], file[at:]...)
	case 3:
		return append(append(file[:at:at], g.pick(",", "\"", "{", "}", "]", "\\", "/", "\xff", "\x00", " ", "\n", "0", "e")...), file[at:]...)
	case 4:
		return append(file[:len(file):len(file)], g.pick("}", "\x00", "x", "// end", "/* end */", ",", "\x1a", "/*")...)
	}
	return bytes.Replace(file, []byte(g.pick("{", "}", ":", ",", "\"")), nil, 1)
}

// encoded adds a byte order mark, and sometimes transcodes.
func (g *generator) encoded(file []byte) []byte {
	kind := g.r.IntN(24)
	var order binary.AppendByteOrder = binary.LittleEndian
	if g.one(2) {
		order = binary.BigEndian
	}
	var out []byte
	switch kind {
	case 0, 1, 2:
		return append([]byte("\xef\xbb\xbf"), file...)
	case 3:
		for _, u := range utf16.Encode([]rune("\ufeff" + string(file))) {
			if g.one(300) {
				out = order.AppendUint16(out, uint16(0xd800+g.r.IntN(0x800)))
			}
			out = order.AppendUint16(out, u)
		}
	case 4:
		for _, r := range "\ufeff" + string(file) {
			out = order.AppendUint32(out, uint32(r))
			if g.one(300) {
				out = order.AppendUint32(out, []uint32{0xd800, 0x110000, 0xffffffff}[g.r.IntN(3)])
			}
		}
	default:
		return file
	}
	return out[:max(0, len(out)-g.r.IntN(2)*g.r.IntN(2)*g.r.IntN(4))]
}
