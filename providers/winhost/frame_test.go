package winhost

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"meshrotate/reconciler/secret"
)

func TestFrameRoundTrip(t *testing.T) {
	for _, f := range []Frame{
		{},
		{Nonce: [16]byte{1}, JSON: []byte(`{"a":1}`)},
		{Nonce: [16]byte{2}, JSON: []byte(`{}`), Blobs: [][]byte{{}, {0}, bytes.Repeat([]byte{7}, 1<<20), {}}},
	} {
		b, err := f.Append([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b[6:], "after"...)
		r := bytes.NewReader(b)
		got, err := ReadFrame(r)
		if err != nil || got.Nonce != f.Nonce || string(got.JSON) != string(f.JSON) || len(got.Blobs) != len(f.Blobs) || r.Len() != 5 {
			t.Errorf("%d blobs: %v, %d bytes left", len(f.Blobs), err, r.Len())
		}
		for i := range got.Blobs {
			if !bytes.Equal(got.Blobs[i], f.Blobs[i]) {
				t.Errorf("blob %d is another", i)
			}
		}
	}
}

func TestFrameSpoiled(t *testing.T) {
	f := Frame{Nonce: [16]byte{9, 8, 7}, JSON: []byte(`{"results":[]}`), Blobs: [][]byte{[]byte("secret"), []byte("more")}}
	whole, err := f.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := find(append([]byte("noise"), whole[:n]...), f.Nonce); !errors.Is(err, errShort) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
		if _, err := ReadFrame(bytes.NewReader(whole[:n])); n > 0 && !errors.Is(err, ErrFrame) || n == 0 && err != io.EOF {
			t.Fatalf("read, cut after %d bytes: %v", n, err)
		}
		for _, bit := range []byte{1, 0x80} {
			damaged := bytes.Clone(whole)
			damaged[n] ^= bit
			if _, err := find(damaged, f.Nonce); !errors.Is(err, ErrFrame) {
				t.Fatalf("byte %d changed: %v", n, err)
			}
		}
	}
}

func TestFrameTooLarge(t *testing.T) {
	for name, f := range map[string]Frame{
		"JSON":  {JSON: make([]byte, MaxJSON+1)},
		"count": {Blobs: make([][]byte, MaxBlobs+1)},
		"total": {Blobs: [][]byte{make([]byte, MaxFrame/2), make([]byte, MaxFrame/2)}},
	} {
		if _, err := f.Append(nil); !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzFrame(f *testing.F) {
	whole, _ := Frame{JSON: []byte(`{}`), Blobs: [][]byte{{1}}}.Append(nil)
	f.Add(whole)
	f.Add(append(make([]byte, 16), 255, 255, 255, 255, 0, 0, 0, 0))
	f.Add(append(make([]byte, 20), 0, 16, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		one, err1 := parse(b)
		two, err2 := ReadFrame(bytes.NewReader(b))
		if (err1 == nil) != (err2 == nil) {
			t.Fatalf("parse: %v, read: %v", err1, err2)
		}
		if err1 == nil && (one.Nonce != two.Nonce || string(one.JSON) != string(two.JSON)) {
			t.Fatal("two frames from the same bytes")
		}
	})
}

func TestReplyMustBeWhole(t *testing.T) {
	for text, why := range map[string]string{
		`{"results":[]}`:                                     "too few results",
		`{"ops":[{}]}`:                                       "our own request, echoed",
		`{"results":[{}]}`:                                   "a result without a code",
		`{"results":[{"code":"ok","blob":0}]}`:               "a blob that is not there",
		`{"results":[{"code":"ok","blob":1,"file":{}}]}`:     "a blob that is not there",
		`{"results":[{"code":"ok","blob":-1}`:                "half a document",
		`{"results":[{"code":"ok"},{"code":"ok"}]}`:          "too many results",
		`{"results":[{"code":"ok","machine":{"utcNow":1}}]}`: "a time that is none",
	} {
		if r, err := decodeReply(Frame{JSON: []byte(text)}, 1); err == nil {
			t.Errorf("%s: believed %s: %+v", why, text, r)
		}
	}
}

func TestRequestHoldsNoSecret(t *testing.T) {
	const canary = "c4n4ry-in-a-request"
	f, err := EncodeRequest([16]byte{}, []Op{&FileStage{Path: "p", Content: secret.NewString(canary)}}, false)
	if err != nil || bytes.Contains(f.JSON, []byte(canary)) || string(f.Blobs[0]) != canary {
		t.Errorf("%v: %s", err, f.JSON)
	}
	ops, _, err := DecodeRequest(f)
	if err != nil || !ops[0].(*FileStage).Content.Equal(secret.NewString(canary)) {
		t.Errorf("decoded %+v, %v", ops, err)
	}
}

func TestCommandLine(t *testing.T) {
	line := CommandLine("")
	if len(line) > 7000 {
		t.Errorf("%d characters: Windows takes 8,191, and a lab's prelude needs some", len(line))
	}
	if !strings.HasPrefix(line, "powershell.exe -NoProfile -NonInteractive -OutputFormat Text -EncodedCommand ") || !IsCommandLine(line) {
		t.Errorf("command line %.90q", line)
	}
	other := CommandLine(`C:\Program Files\PowerShell\7\pwsh.exe`)
	if !strings.HasPrefix(other, `"C:\Program Files\PowerShell\7\pwsh.exe" -NoProfile`) || !IsCommandLine(other) {
		t.Errorf("command line %.90q", other)
	}
	if IsCommandLine("powershell.exe -EncodedCommand AAAA") || IsCommandLine(line+" ") || IsCommandLine("") {
		t.Error("another command line is taken for ours")
	}
}

func TestScriptText(t *testing.T) {
	for name, text := range map[string]string{"script": Script(), "bootstrap": Bootstrap()} {
		if strings.Contains(strings.ToLower(text), "$"+"input") {
			t.Errorf("the %s names PowerShell's piped input: the host would drain standard input into it", name)
		}
		for i, r := range text {
			if r > 126 || r < 32 && r != '\n' {
				t.Fatalf("the %s holds %q at byte %d: it travels as ASCII with plain line ends", name, r, i)
			}
		}
	}
	for _, number := range []string{"73", "74", "75", "76"} {
		if !strings.Contains(Bootstrap()+Script(), "exit "+number) {
			t.Errorf("exit code %s is never given", number)
		}
	}
}
