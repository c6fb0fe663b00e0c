"""The archive format: blocks, tar headers, the manifest, and the writer that puts them together.

From the bottom: `blocks` `headers` `limits` `sparse` are pure functions of bytes; `manifest` keeps one line an entry;
`output` is the file while it grows; `pipeline` keeps order while others compress; `packing` makes a block of small
files, `batches` does that in helper processes; `big_files`, `trees` and `writer` use them all. `age`
is encryption; `facts` is what an archive says of itself, and `facts_worker` a helper that reads that of others;
`scan` and `scan_worker` read a tree on the disk, to be held against an archive.
Without Django.
"""
