package winhost

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
	"sync"
	"unicode/utf16"
)

// Exit codes of the process on the host, beside 0 for a clean end.
const (
	exitLanguage = 73 // Constrained Language Mode
	exitVersion  = 74 // older than Windows PowerShell 5.1
	exitScript   = 75 // the script is not the one that the command line names
	exitFrame    = 76 // a cut or damaged frame; its ops were not tried
)

//go:embed host.ps1
var script string

// bootstrap is what the command line holds: it reads the script from standard input and runs it when its digest is
// right. It is short, so that the command line stays far below the 8,191 characters that Windows takes, and it is
// constant, so that process auditing shows the same line everywhere. The check of the language mode comes before the
// first method call, which that mode refuses. Nothing in it may use PowerShell's own name for piped input: the host
// would drain standard input into it.
const bootstrap = `$ErrorActionPreference='Stop';$ProgressPreference='SilentlyContinue'
if("$($ExecutionContext.SessionState.LanguageMode)" -ne 'FullLanguage'){exit 73}
if($PSVersionTable.PSVersion -lt [version]'5.1'){exit 74}
$hostIn=[Console]::OpenStandardInput()
function Read-Into([byte[]]$b,[int]$at){$from=$at
while($at -lt $b.Length){$got=$hostIn.Read($b,$at,$b.Length-$at);if($got -le 0){if($at -eq $from){return $false};exit 76};$at+=$got}
$true}
$size=[byte[]]::new(4);if(-not(Read-Into $size 0)){exit 76}
$size=[BitConverter]::ToInt32($size,0);if($size -lt 1 -or $size -gt 1048576){exit 75}
$packed=[byte[]]::new($size);if(-not(Read-Into $packed 0)){exit 76}
try{$text=[IO.StreamReader]::new([IO.Compression.GZipStream]::new([IO.MemoryStream]::new($packed),[IO.Compression.CompressionMode]::Decompress),[Text.Encoding]::ASCII).ReadToEnd()}catch{exit 75}
$hash=[BitConverter]::ToString([Security.Cryptography.SHA256CryptoServiceProvider]::new().ComputeHash([Text.Encoding]::ASCII.GetBytes($text))).Replace('-','')
if($hash -ne 'SCRIPT_SHA256'){exit 75}
. ([ScriptBlock]::Create($text))
`

// Program is the program that runs the script where a Config names none.
const Program = "powershell.exe"

// Script is the text that runs on every host, for reviewers and for tests that search what a host would log.
func Script() string { return script }

// Bootstrap is the text behind the command line's -EncodedCommand. It names the SHA-256 of Script.
func Bootstrap() string { return bootstrapText() }

// EncodedCommand is how powershell.exe takes text as an argument: UTF-16, little-endian, in base64.
func EncodedCommand(text string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// CommandLine starts the host's side. It is the same for every host, run and request. The program is quoted when its
// path holds a space; "" means Program.
func CommandLine(program string) string {
	if program == "" {
		program = Program
	}
	if strings.Contains(program, " ") {
		program = `"` + program + `"`
	}
	if line, ok := commandLines.Load(program); ok {
		return line.(string)
	}
	line, _ := commandLines.LoadOrStore(program, program+arguments())
	return line.(string)
}

// commandLines are those of the programs that hosts were asked to start: mostly one, for all of them.
var commandLines sync.Map

// IsCommandLine says whether a command line is CommandLine of any program.
func IsCommandLine(line string) bool {
	return strings.HasSuffix(line, arguments()) && len(line) > len(arguments())
}

// PackedScript is the script as it travels: its length in 32 bits, little-endian, then gzip. It is shared: do not
// write to it.
func PackedScript() []byte { return packed() }

// ReadScript reads what PackedScript made and checks it as the bootstrap does: ErrFrame for a cut, ErrScript for
// another script.
func ReadScript(r io.Reader) error {
	want := packed()
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return errShort
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n < 1 || n > 1<<20 {
		return ErrScript
	}
	got := make([]byte, n)
	if _, err := io.ReadFull(r, got); err != nil {
		return errShort
	}
	if bytes.Equal(got, want[4:]) {
		return nil
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(got))
	if err != nil {
		return ErrScript
	}
	text, err := io.ReadAll(unpacked)
	if err != nil || sha256.Sum256(text) != sha256.Sum256([]byte(script)) {
		return ErrScript
	}
	return nil
}

// These are computed once, for ten thousand hosts share them. They never change.
var (
	bootstrapText = sync.OnceValue(func() string {
		sum := sha256.Sum256([]byte(script))
		return strings.Replace(bootstrap, "SCRIPT_SHA256", hex.EncodeToString(sum[:]), 1)
	})
	arguments = sync.OnceValue(func() string {
		return " -NoProfile -NonInteractive -OutputFormat Text -EncodedCommand " + EncodedCommand(bootstrapText())
	})
	packed = sync.OnceValue(func() []byte { return Pack(script) })
)

// Pack makes any script travel as PackedScript does.
func Pack(text string) []byte {
	var b bytes.Buffer
	b.Write(make([]byte, 4))
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = io.WriteString(z, text)                        // a Buffer takes everything
	_ = z.Close()
	binary.LittleEndian.PutUint32(b.Bytes(), uint32(b.Len()-4))
	return b.Bytes()
}
