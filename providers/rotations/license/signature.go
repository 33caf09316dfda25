package license

import "meshrotate/providers/licensefile"

// Signature is how licenses are signed.
type Signature struct {
	// Padding is pkcs1 (RFC 8017, v1.5) or pss.
	Padding string `json:"padding,omitempty" jsonschema:"enum=pkcs1,enum=pss,default=pkcs1" trust:"guard"`
	// Over is what is signed: the decoded payload, or its base64 as the file has it, encoded.
	Over string `json:"over,omitempty" jsonschema:"enum=decoded,enum=encoded,default=decoded" trust:"guard"`
	// Hash is what the signature is made of.
	Hash string `json:"hash,omitempty" jsonschema:"enum=sha256,enum=sha384,enum=sha512,default=sha256" trust:"guard"`
}

func (s *Spec) signature() licensefile.Signature {
	if s.Signature == nil {
		return licensefile.Signature{}
	}
	return licensefile.Signature{PSS: s.Signature.Padding == "pss", Over: licensefile.Over(s.Signature.Over), Hash: s.Signature.Hash}
}
