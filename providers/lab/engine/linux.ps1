# What stands in for Windows when the host script runs on Linux in a lab, with unix.ps1 before it. Each alias takes the place
# of one of the script's "Windows only" functions; everything else in the script is what runs on Windows. Files are real. The
# rest is asked of the lab: see channel.go. No answer goes through a cmdlet or a pipeline, as in the script itself.
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

# Ask WORD ARGUMENT ARGUMENT: the fields of the lab's answer. An error of the lab's Windows is thrown as one.
function Ask([string]$word, [string]$first, [string]$second, [string]$third) {
    $socket = [Net.Sockets.Socket]::new([Net.Sockets.AddressFamily]::Unix, [Net.Sockets.SocketType]::Stream, [Net.Sockets.ProtocolType]::Unspecified)
    try {
        $socket.Connect([Net.Sockets.UnixDomainSocketEndPoint]::new([Environment]::GetEnvironmentVariable('MESHROTATE_LAB_SOCKET')))
        $stream = [Net.Sockets.NetworkStream]::new($socket)   # now: a socket whose other end has gone takes none
        [void]$socket.Send([Text.Encoding]::UTF8.GetBytes($word + [char]0 + $first + [char]0 + $second + [char]0 + $third))
        $socket.Shutdown([Net.Sockets.SocketShutdown]::Send)
        $text = [IO.StreamReader]::new($stream).ReadToEnd()
    } finally { $socket.Dispose() }
    if ($text -eq '') { throw [IO.IOException]::new('the lab does not answer') }
    $fields = $text.Split([char]0)
    if ($fields[0] -ne '0') { throw [ComponentModel.Win32Exception]::new([int]$fields[0]) }
    for ($i = 1; $i -lt $fields.Length; $i++) { $fields[$i] }
}

function Use-Path([string]$path) { Ask 'path' $path }
function Use-FullName([string]$path) { Ask 'expand' $path }
function Use-Replace([string]$from, [string]$to, [string]$backup) {
    [void](Ask 'point' $to 'before')
    [IO.File]::Replace($from, $to, $backup, $false)
    [void](Ask 'point' $to 'after')
}
function Use-TryService([string]$name, [bool]$logon) { [int](Ask 'try-service' $name) }
function Use-Identity { $a = @(Ask 'identity'); @{ machineGuid = $a[0]; domain = $a[1]; installed = [DateTime]::UnixEpoch.AddTicks([long]$a[2]); computerName = $a[3] } }
function Use-Environment([string]$service) {
    $a = @(Ask 'environment' $service); $found = @{}
    for ($i = 0; $i + 1 -lt $a.Length; $i += 2) { $found[$a[$i]] = $a[$i + 1] }
    $found
}
function Use-Wrapped([string]$service) {
    $a = @(Ask 'wrapped' $service); $found = @{}
    if ($a.Length -lt 2) { return $null }
    for ($i = 2; $i + 1 -lt $a.Length; $i += 2) { $found[$a[$i]] = $a[$i + 1] }
    @{ line = $a[0]; folder = $a[1]; variables = $found }
}
function Use-UserEnvironment([string]$account) {
    $a = @(Ask 'user-environment' $account); $found = @{}
    for ($i = 0; $i + 1 -lt $a.Length; $i += 2) { $found[$a[$i]] = $a[$i + 1] }
    $found
}
function Use-Boot { $a = @(Ask 'boot'); @{ booted = [DateTime]::UnixEpoch.AddTicks([long]$a[0]); changed = [DateTime]::UnixEpoch.AddTicks([long]$a[1]) } }
$global:startedAt = @{}   # processes of services that were seen, by id
function Use-SetVariable([string]$name, [string]$value) { [void](Ask 'set-variable' $name $value) }
function Use-Status([string]$name) {
    $a = @(Ask 'status' $name)
    if ($a.Length -eq 0) { return $null }
    if ($a[1] -ne '0') { $global:startedAt[[int]$a[1]] = [DateTime]::UnixEpoch.AddTicks([long]$a[3]) }
    @{ state = $a[0]; processId = [int]$a[1]; exitCode = [long]$a[2] }
}
function Use-Config([string]$name) { $a = @(Ask 'config' $name); @{ account = $a[0]; startMode = $a[1]; imagePath = $a[2] } }
function Use-Dependents([string]$name) { Ask 'dependents' $name }
function Use-Start([string]$name) { [void](Ask 'start' $name) }
function Use-Stop([string]$name) { [void](Ask 'stop' $name) }
function Read-Password([byte[]]$b) { if ($null -eq $b) { '' } else { [Text.Encoding]::Unicode.GetString($b, 0, $b.Length - 2) } }
function Use-SetLogon([string]$name, [string]$account, [byte[]]$b) { [void](Ask 'set-logon' $name $account (Read-Password $b)) }
function Use-TryLogon([string]$account, [byte[]]$b) { [void](Ask 'log-on' $account (Read-Password $b)) }
function Use-Logon([string]$name, [string]$account) {
    $a = @(Ask 'logon' $name $account); $set = $null; if ($a[5] -ne '0') { $set = [DateTime]::UnixEpoch.AddTicks([long]$a[5]) }
    @{ exists = $a[0]; right = $a[1]; locked = $a[2]; configured = $a[3]; running = $a[4]; passwordSet = $set }
}

# What stands for cmd.exe lets the lab's model of the script run, where it has one: see play.go. Its input and output are its own.
function Use-Shell([string]$script) {
    $run = '/bin/sh'; if ([string](Ask 'plays' $script) -eq 'yes') { $run = $env:MESHROTATE_LAB_PROGRAM + ' lab play script' }
    @{ program = '/bin/sh'; arguments = '-c "read go; exec ' + $run + ' ''' + $script + '''"' }
}

function Use-Signature([string]$path, $f) {
    $a = @(Ask 'signature' $path); $signers = @()
    for ($i = 1; $i + 4 -lt $a.Length; $i += 5) {
        $signers += @{ sha1 = $a[$i]; sha256 = $a[$i + 1]; subject = $a[$i + 2]; notAfter = [DateTime]::UnixEpoch.AddTicks([long]$a[$i + 3]); stamped = ($a[$i + 4] -eq 'true') }
    }
    @{ trust = [long]$a[0]; signers = $signers }
}

${alias:Get-Signature} = 'Use-Signature'
${alias:Get-HostFullName} = 'Use-FullName'
${alias:Invoke-HostReplace} = 'Use-Replace'
[void](Ask 'started')
