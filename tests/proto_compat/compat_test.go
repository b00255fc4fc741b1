package protocompat

import (
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

const protoDir = "../../proto"

// ourPaths lists the .proto files of Cairn, relative to protoDir and with forward slashes.
func ourPaths(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, pattern := range []string{"*.proto", "*/*.proto"} {
		found, err := filepath.Glob(filepath.Join(protoDir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			rel, err := filepath.Rel(protoDir, path)
			if err != nil {
				t.Fatal(err)
			}
			if rel == "cairnpb.proto" {
				continue // our own: nobody else publishes it
			}
			paths = append(paths, filepath.ToSlash(rel))
		}
	}
	sort.Strings(paths)
	if len(paths) == 0 {
		t.Fatalf("no .proto files under %s", protoDir)
	}
	return paths
}

// compile runs protoc over our files and returns them as linked descriptors.
func compile(t *testing.T, paths []string) *protoregistry.Files {
	t.Helper()
	out := filepath.Join(t.TempDir(), "cairn.fds")
	args := append([]string{"-I", protoDir, "--include_imports", "-o", out}, paths...)
	if msg, err := exec.Command("protoc", args...).CombinedOutput(); err != nil {
		t.Fatalf("protoc: %v\n%s", err, msg)
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(raw, set); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func published(t *testing.T, path string) protoreflect.FileDescriptor {
	t.Helper()
	if other, ok := publishedPath[path]; ok {
		path = other
	}
	file, err := protoregistry.GlobalFiles.FindFileByPath(path)
	if err != nil {
		t.Fatalf("%s has no published twin: %v", path, err)
	}
	return file
}

func TestProtoFilesMatchPublished(t *testing.T) {
	paths := ourPaths(t)
	ours := compile(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(path, ".proto"), func(t *testing.T) {
			file, err := ours.FindFileByPath(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range CompareFiles(file, published(t, path)) {
				t.Error(line)
			}
		})
	}
}

// The comparison itself must see every kind of change: each case edits the compiled eraftpb,
// tikvpb or pdpb and must yield a difference that names the edited declaration.
func TestComparisonSeesChanges(t *testing.T) {
	ours := compile(t, ourPaths(t))
	cases := []struct {
		name, path string
		edit       func(*descriptorpb.FileDescriptorProto)
		want       string
	}{
		{"field number", "eraftpb.proto", func(f *descriptorpb.FileDescriptorProto) {
			message(f, "HardState").Field[1].Number = proto.Int32(9)
		}, "field eraftpb.HardState.vote"},
		{"field type", "eraftpb.proto", func(f *descriptorpb.FileDescriptorProto) {
			message(f, "HardState").Field[1].Type = descriptorpb.FieldDescriptorProto_TYPE_INT64.Enum()
		}, "field eraftpb.HardState.vote"},
		{"field label", "eraftpb.proto", func(f *descriptorpb.FileDescriptorProto) {
			message(f, "HardState").Field[1].Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}, "field eraftpb.HardState.vote"},
		{"field name", "eraftpb.proto", func(f *descriptorpb.FileDescriptorProto) {
			message(f, "HardState").Field[1].Name = proto.String("voted")
			message(f, "HardState").Field[1].JsonName = nil
		}, "field eraftpb.HardState.voted"},
		{"missing field", "eraftpb.proto", func(f *descriptorpb.FileDescriptorProto) {
			m := message(f, "HardState")
			m.Field = m.Field[:2]
		}, "field eraftpb.HardState.commit"},
		{"missing message", "eraftpb.proto", func(f *descriptorpb.FileDescriptorProto) {
			for i, m := range f.MessageType {
				if m.GetName() == "HardState" {
					f.MessageType = append(f.MessageType[:i], f.MessageType[i+1:]...)
					return
				}
			}
		}, "message eraftpb.HardState"},
		{"enum value", "eraftpb.proto", func(f *descriptorpb.FileDescriptorProto) {
			f.EnumType[0].Value[1].Number = proto.Int32(40)
		}, "enum value eraftpb.EntryType.EntryConfChange"},
		{"out of its oneof", "pdpb.proto", func(f *descriptorpb.FileDescriptorProto) {
			message(f, "SafePointEvent").Field[1].OneofIndex = nil
		}, "field pdpb.SafePointEvent.keyspace_identity"},
		{"stream flag", "pdpb.proto", func(f *descriptorpb.FileDescriptorProto) {
			f.Service[0].Method[2].ClientStreaming = nil
		}, "rpc pdpb.PD.Tso"},
		{"missing method", "tikvpb.proto", func(f *descriptorpb.FileDescriptorProto) {
			f.Service[0].Method = f.Service[0].Method[1:]
		}, "rpc tikvpb.Tikv.KvGet"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			file, err := ours.FindFileByPath(c.path)
			if err != nil {
				t.Fatal(err)
			}
			edited := protodesc.ToFileDescriptorProto(file)
			c.edit(edited)
			relinked, err := protodesc.NewFile(edited, ours)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range CompareFiles(relinked, published(t, c.path)) {
				if strings.HasPrefix(line, c.want+":") {
					return
				}
			}
			t.Errorf("no difference reported for %s", c.want)
		})
	}
}

func message(f *descriptorpb.FileDescriptorProto, name string) *descriptorpb.DescriptorProto {
	for _, m := range f.MessageType {
		if m.GetName() == name {
			return m
		}
	}
	panic("no message " + name)
}
