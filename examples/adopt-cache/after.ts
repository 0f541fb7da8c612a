import express from "express";
import mongoose from "mongoose";
import { cacheAside, openCaches, writeThrough } from "sluice/cache";

const { MONGODB_URL = "mongodb://127.0.0.1:27017/shop", PORT = "3000" } = process.env;

const Book = mongoose.model("Book", new mongoose.Schema({ title: String, shelf: String, price: Number }));
await mongoose.connect(MONGODB_URL);

const caches = openCaches({ mongoUrl: MONGODB_URL, redis: process.env });
const shelves = caches.create<object[]>({ name: "shelves", ttlSeconds: 300 });

const shelfOf = async (id: string) => String((await Book.findById(id))?.shelf);
const writePrice = writeThrough(
  { cache: shelves, key: (_book, shelf) => shelf },
  (_shelf: string, id: string, price: number) => Book.findByIdAndUpdate(id, { price }, { returnDocument: "after" }),
);
const setPrice = async (id: string, price: number) => writePrice(await shelfOf(id), id, price);

const app = express();
app.use(express.json());

app.get(
  "/shelves/:shelf",
  cacheAside({
    cache: shelves,
    key: (req) => String(req.params.shelf),
    load: (shelf) => Book.find({ shelf }).sort({ title: 1 }).lean(),
  }),
);

app.put("/books/:id/price", async (req, res) => {
  res.json(await setPrice(req.params.id, req.body.price));
});

const server = app.listen(Number(PORT), "127.0.0.1", () => console.log("listening at", server.address()));

process.once("SIGTERM", () => {
  server.close(() => void caches.close().then(() => mongoose.disconnect()));
  server.closeIdleConnections();
});
