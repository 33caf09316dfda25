package winhosttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"meshrotate/providers/winhost"
	"meshrotate/providers/winhost/process"
	"meshrotate/reconciler/secret"
)

var frameCases = []testCase{
	{
		name:   "empty request",
		reason: "a batch that turned out empty is no error",
		run: func(w *world) {
			if got := w.do(); len(got) != 0 {
				w.Errorf("%d results", len(got))
			}
		},
	}, {
		name:   "binary blobs",
		reason: "a blob is bytes: no code page, no line end, no byte order mark, no length is special",
		run: func(w *world) {
			every := make([]byte, 256)
			for i := range every {
				every[i] = byte(i)
			}
			blobs := [][]byte{{}, {0}, {0xEF, 0xBB, 0xBF}, []byte("\r\n\x1a"), every, bytes.Repeat([]byte{0xFF, 0xFE}, 40_000)}
			var ops []winhost.Op
			for i, b := range blobs {
				path := w.path(fmt.Sprint(i))
				ops = append(ops, stage(path, nil, b), swap(path, nil, b), &winhost.FileRead{Path: path})
			}
			results := w.do(ops...)
			for i, b := range blobs {
				if r := results[3*i+2]; r.Code != winhost.OK || !r.File.Content.Equal(secret.New(b)) {
					w.Errorf("blob %d came back as %d bytes: %+v", i, r.File.Content.Len(), r)
				}
				w.wantFile(fmt.Sprint(i), b)
			}
		},
	}, {
		name:   "many blobs",
		reason: "one look at a host may read many files",
		run: func(w *world) {
			var ops []winhost.Op
			for i := range 200 {
				w.Write(w.file(fmt.Sprint(i)), Content(fmt.Sprint("blob ", i)))
				ops = append(ops, &winhost.FileRead{Path: w.path(fmt.Sprint(i))})
			}
			for i, r := range w.do(ops...) {
				if !r.File.Content.Equal(secret.New(Content(fmt.Sprint("blob ", i)))) {
					w.Errorf("blob %d is another", i)
				}
			}
		},
	}, {
		name:   "a thousand ops",
		reason: "the process lives for a whole run; nothing may pile up in it",
		run: func(w *world) {
			w.Write(w.file("a"), Content("a"))
			ops := make([]winhost.Op, 900)
			for i := range ops {
				ops[i] = &winhost.FileRead{Path: w.path("a"), HashOnly: true}
			}
			for i, r := range w.do(ops...) {
				if r.File == nil || r.File.SHA256 != Sum(Content("a")) {
					w.Fatalf("op %d: %+v", i, r)
				}
			}
			for range 100 {
				w.one(winhost.OK, ops[0])
			}
		},
	}, {
		name:   "stops at the first failure",
		reason: "a swap must not follow a stage that failed",
		run: func(w *world) {
			old := Content("old")
			w.Write(w.file("a"), old)
			results := w.do(stage(w.path("a"), old, Content("new")), stage(w.path("b"), old, Content("new")), swap(w.path("a"), old, Content("new")), &winhost.MachineIdentity{})
			want := []winhost.Code{winhost.OK, winhost.Conflict, winhost.Skipped, winhost.Skipped}
			for i, r := range results {
				if r.Code != want[i] {
					w.Errorf("op %d: %q, want %q", i, r.Code, want[i])
				}
			}
			w.wantFile("a", old)
		},
	}, {
		name:   "a look goes on",
		reason: "one file that cannot be read must not hide the rest of the host",
		run: func(w *world) {
			results, err := w.session.Look(w.ctx(), []winhost.Op{&winhost.FileRead{Path: "relative"}, &winhost.MachineIdentity{}})
			if err != nil || results[0].Code != winhost.Failed || results[1].Code != winhost.OK {
				w.Errorf("%+v, %v", results, err)
			}
			if _, err := w.session.Look(w.ctx(), []winhost.Op{swap(w.path("a"), nil, nil)}); err == nil {
				w.Error("a look may change the host")
			}
		},
	}, {
		name:   "unknown op",
		reason: "an older script says so; it does not guess",
		run:    func(w *world) { w.one(winhost.Unsupported, winhost.Unknown("file.shred")) },
	}, {
		name:   "one request and the end",
		reason: "a plan needs one exchange: script, request and end of input travel together",
		run: func(w *world) {
			results, err := winhost.Run(w.ctx(), w.Process, winhost.Config{}, []winhost.Op{&winhost.MachineIdentity{}})
			if err != nil || results[0].Machine.ComputerName == "" {
				w.Errorf("%+v, %v", results, err)
			}
		},
	}, {
		name:   "never asked",
		reason: "a session that was opened for nothing ends cleanly",
		run: func(w *world) {
			if err := w.open().Close(w.ctx()); err != nil {
				w.Error(err)
			}
		},
	}, {
		name:   "noise",
		reason: "profiles, policies and drivers write to standard output; a reply is found among it, by its nonce",
		run: func(w *world) {
			loud := process.Func(func(ctx context.Context, line string, in io.Reader, out, err io.Writer) uint32 {
				_, _ = io.WriteString(out, "WARNING: \x00\xff a driver speaks\r\n"+strings.Repeat("noise ", 9000))
				_, _ = io.WriteString(err, "#< CLIXML <Objs/>")
				code := w.Process(ctx, line, in, out, err)
				_, _ = io.WriteString(out, "goodbye")
				return code
			})
			results, err := winhost.Run(w.ctx(), loud, winhost.Config{}, []winhost.Op{&winhost.MachineIdentity{}})
			if err != nil || !results[0].Done() {
				w.Errorf("%+v, %v", results, err)
			}
		},
	}, {
		name:   "cut reply",
		reason: "half an answer proves nothing, whatever the exit code says",
		run: func(w *world) {
			w.Write(w.file("a"), Content("a"))
			for _, keep := range []int{0, 10, 40, 300} {
				cut := process.Func(func(ctx context.Context, line string, in io.Reader, out, err io.Writer) uint32 {
					return w.Process(ctx, line, in, &first{out, keep}, err)
				})
				if results, err := winhost.Run(w.ctx(), cut, winhost.Config{}, []winhost.Op{&winhost.FileRead{Path: w.path("a")}}); err == nil {
					w.Errorf("after %d bytes: %+v", keep, results)
				}
				if w.Kind != Model {
					break // once is enough where it takes a second
				}
			}
		},
	}, {
		name:   "echo",
		reason: "a program that repeats its input is not our script",
		run: func(w *world) {
			echo := process.Func(func(_ context.Context, _ string, in io.Reader, out, _ io.Writer) uint32 {
				_, _ = io.Copy(out, in)
				return 0
			})
			if results, err := winhost.Run(w.ctx(), echo, winhost.Config{}, []winhost.Op{&winhost.MachineIdentity{}}); err == nil {
				w.Errorf("%+v", results)
			}
		},
	}, {
		name:   "cut request",
		reason: "a connection that breaks while a request travels: no op of it is tried",
		run:    func(w *world) { spoiled(w, 76, func(b []byte) []byte { return b[:len(b)-20] }) },
	}, {
		name:   "part sent twice",
		reason: "a part that was sent again after a timeout, and arrived twice, spoils the request",
		run: func(w *world) {
			spoiled(w, 76, func(b []byte) []byte {
				return append(b[:len(b)-60:len(b)-60], b[len(b)-80:]...)
			})
		},
	}, {
		name:   "another script",
		reason: "only the script that the command line names is run",
		run: func(w *world) {
			content := Content("new")
			spoiled(w, 75, func(b []byte) []byte {
				return append(winhost.Pack("[IO.File]::WriteAllText('"+w.path("a")+"', 'x')"), content...)
			})
		},
	}, {
		name:   "cut script",
		reason: "a connection that breaks while the script travels",
		run:    func(w *world) { spoiled(w, 76, func(b []byte) []byte { return b[:1000] }) },
	},
}

// first lets the first bytes through, and swallows the rest.
type first struct {
	io.Writer
	left int
}

func (f *first) Write(b []byte) (int, error) {
	n := min(f.left, len(b))
	f.left -= n
	_, err := f.Writer.Write(b[:n])
	return len(b), err
}

// spoiled sends a request that something happened to, and wants the exit code, no reply and no effect.
func spoiled(w *world, code uint32, spoil func([]byte) []byte) {
	w.Helper()
	frame, err := winhost.EncodeRequest([winhost.NonceSize]byte{1}, []winhost.Op{
		stage(w.path("a"), nil, Content("first")), stage(w.path("b"), nil, Content("second")),
	}, false)
	if err != nil {
		w.Fatal(err)
	}
	b, err := frame.Append(bytes.Clone(winhost.PackedScript()))
	if err != nil {
		w.Fatal(err)
	}
	pipe, err := w.Process.Start(w.ctx(), winhost.CommandLine(""))
	if err != nil {
		w.Fatal(err)
	}
	if err := pipe.Send(w.ctx(), spoil(b), true); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		w.Fatal(err)
	}
	for {
		out, err := pipe.Receive(w.ctx())
		if err != nil {
			w.Fatal(err)
		}
		if len(out.Stdout) > 0 {
			w.Errorf("it answered %q", out.Stdout)
		}
		if out.Done {
			if out.ExitCode != code {
				w.Errorf("exit code %d, want %d; standard error: %s", out.ExitCode, code, out.Stderr)
			}
			break
		}
	}
	for _, name := range []string{"a", "b"} {
		w.wantFile(name, nil)
		w.wantFile(name+winhost.StagedSuffix, nil)
	}
}
